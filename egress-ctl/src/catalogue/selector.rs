//! Selectors: how configurations say which endpoint sets they mean.
//!
//! In: text such as `m365:Common/required`, and a [`Catalogue`]. Out: the sets of that source that
//! know every segment, or an error that names what is nearest to the unknown word.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    str::FromStr,
};

use thiserror::Error;

use super::{
    Catalogue, UnknownSource,
    nearest::nearest,
    nearest_hint,
    set::{Category, EndpointSet},
    words::Words,
};

/// `source` or `source:segment[/segment...]`; a set must know all segments. Behind `!` it leaves out.
///
/// A set knows, in any case: the parts of its section (`desktop-flows`, `public`) and words of
/// these (`store` of `microsoft-store`), its service area (`Common`), its category, `required` or
/// `optional`, its region, its clouds, its id, and the parts of its key, so that every key is a
/// selector too. An id selects all sets that have it. `scale-unit=AMSUA0601`, `region=eu` and
/// `cloud=gcc` ask for one attribute alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Selector {
    excludes: bool,
    source: String,
    segments: Vec<String>,
}

/// Why a text is no selector; each holds the text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SelectorSyntax {
    /// No source before the colon, or nothing at all.
    #[error("selector `{0}` names no source: write `source` or `source:segment/segment`")]
    NoSource(String),
    /// Nothing behind the colon, or before or behind a slash.
    #[error("selector `{0}` has an empty segment: write `source` or `source:segment/segment`")]
    EmptySegment(String),
    /// A slash before the colon, or a second colon.
    #[error("selector `{0}` wants one `:` behind the source, and `/` between segments")]
    Separators(String),
}

/// Why a selector selects nothing.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SelectorError {
    /// The catalogue has no such source.
    #[error("selector `{selector}`: {fault}")]
    Source {
        /// The selector as written.
        selector: String,
        /// What the catalogue knows.
        fault: UnknownSource,
    },
    /// No set of the source knows this segment.
    #[error("selector `{selector}`: no set of the source knows `{segment}`{}", nearest_hint(.nearest))]
    Segment {
        /// The selector as written.
        selector: String,
        /// The segment that is unknown.
        segment: String,
        /// The known segment that is written most like it.
        nearest: Option<String>,
    },
    /// All words are known, but no set knows all of them. Whether that is wrong the caller decides.
    #[error("selector `{0}` selects no endpoint set")]
    Empty(String),
}

impl FromStr for Selector {
    type Err = SelectorSyntax;

    fn from_str(text: &str) -> Result<Self, SelectorSyntax> {
        let (excludes, body) = match text.trim_start().strip_prefix('!') {
            Some(body) => (true, body.trim_start()),
            None => (false, text),
        };
        let (source, path) = match body.split_once(':') {
            Some((source, path)) => (source, Some(path)),
            None => (body, None),
        };
        let segments: Vec<&str> = path
            .map(|path| path.split('/').collect())
            .unwrap_or_default();
        if source.trim().is_empty() {
            return Err(SelectorSyntax::NoSource(text.to_owned()));
        }
        if source.contains('/') || segments.iter().any(|segment| segment.contains(':')) {
            return Err(SelectorSyntax::Separators(text.to_owned()));
        }
        if segments.iter().any(|segment| segment.trim().is_empty()) {
            return Err(SelectorSyntax::EmptySegment(text.to_owned()));
        }
        Ok(Self {
            excludes,
            source: source.to_owned(),
            segments: segments.into_iter().map(str::to_owned).collect(),
        })
    }
}

/// Prints the selector as it was written.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.excludes { "!" } else { "" })?;
        f.write_str(&self.source)?;
        if !self.segments.is_empty() {
            write!(f, ":{}", self.segments.join("/"))?;
        }
        Ok(())
    }
}

impl Selector {
    /// Name of the source, as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether the sets are to be left out of what others select.
    pub fn excludes(&self) -> bool {
        self.excludes
    }

    /// The sets that are meant, at least one, in the order of the catalogue.
    pub fn select<'a>(
        &self,
        catalogue: &'a Catalogue,
    ) -> Result<Vec<&'a EndpointSet>, SelectorError> {
        let sets = catalogue.sets_of(&self.source).map_err(|fault| {
            let selector = self.to_string();
            SelectorError::Source { selector, fault }
        })?;
        if sets.is_empty() {
            return Err(SelectorError::Empty(self.to_string()));
        }
        self.check_segments(&sets)?;
        let meant = |set: &&EndpointSet| {
            let words = Words::of(set);
            let knows = self.segments.iter().all(|segment| words.know(segment));
            knows && (!set.extra || self.names(set))
        };
        let selected: Vec<_> = sets.into_iter().filter(meant).collect();
        if selected.is_empty() {
            return Err(SelectorError::Empty(self.to_string()));
        }
        Ok(selected)
    }

    /// Whether a segment is the last part of the set's key: extras want to be named.
    fn names(&self, set: &EndpointSet) -> bool {
        let own = set.local_key().rsplit('/').next().unwrap_or_default();
        self.segments
            .iter()
            .any(|segment| segment.eq_ignore_ascii_case(own))
    }

    /// Every segment must be a word of the language or of one of `sets`.
    fn check_segments(&self, sets: &[&EndpointSet]) -> Result<(), SelectorError> {
        for segment in &self.segments {
            if is_language(segment) || sets.iter().any(|set| Words::of(set).know(segment)) {
                continue;
            }
            return Err(SelectorError::Segment {
                selector: self.to_string(),
                segment: segment.clone(),
                nearest: nearest(segment, known(segment, sets), String::clone).next(),
            });
        }
        Ok(())
    }
}

/// Selects by several selectors: all that some of them select, without what others leave out.
///
/// # Errors
/// An unknown word, or a selector that selects nothing.
pub fn select<'a>(
    selectors: &[Selector],
    catalogue: &'a Catalogue,
) -> Result<Vec<&'a EndpointSet>, SelectorError> {
    let mut wanted = HashSet::new();
    for selector in selectors.iter().filter(|selector| !selector.excludes) {
        wanted.extend(selector.select(catalogue)?.into_iter().map(|set| &set.key));
    }
    for selector in selectors.iter().filter(|selector| selector.excludes) {
        for set in selector.select(catalogue)? {
            wanted.remove(&set.key);
        }
    }
    let sets = catalogue.sets().iter();
    Ok(sets.filter(|set| wanted.contains(&set.key)).collect())
}

/// All words that could have been meant: those of an attribute for `attribute=..`.
fn known(segment: &str, sets: &[&EndpointSet]) -> BTreeSet<String> {
    let attribute = segment
        .split_once('=')
        .map(|(attribute, _)| attribute.to_lowercase());
    let mut known = BTreeSet::new();
    for set in sets {
        let words = Words::of(set);
        match attribute.as_deref() {
            None => known.extend(words.plain.iter().cloned()),
            Some(attribute) => known.extend(words.attributes.iter().map(|(name, value)| {
                let name = if *name == attribute { attribute } else { name };
                format!("{name}={value}")
            })),
        }
    }
    if attribute.is_none() {
        known.extend(Category::ALL.map(|category| category.to_string()));
        known.extend([REQUIRED, OPTIONAL].map(str::to_owned));
    }
    known
}

/// Words that mean something of every source, even where none of its sets has it.
fn is_language(segment: &str) -> bool {
    let words = Category::ALL.map(Category::name);
    let words = words.iter().chain([&REQUIRED, &OPTIONAL]);
    words
        .into_iter()
        .any(|word| word.eq_ignore_ascii_case(segment))
}

const REQUIRED: &str = "required";
const OPTIONAL: &str = "optional";

#[cfg(test)]
mod tests;
