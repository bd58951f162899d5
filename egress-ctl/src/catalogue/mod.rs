//! The catalogue of endpoint sets: what Microsoft's services and the user's own need.
//!
//! In: sets of several sources (built-in data, the Microsoft 365 web service, the configuration).
//! Out: a [`Catalogue`], from which a [`selector::Selector`] picks what a client group may reach.

pub mod demand;
pub mod diff;
pub mod export;
pub mod fault;
pub mod finding;
pub mod lint;
pub mod listing;
pub(crate) mod nearest;
pub mod page;
pub mod ports;
pub mod record;
pub mod selector;
pub mod set;
mod sound;
pub mod source;
mod words;

use std::collections::BTreeMap;

use thiserror::Error;

pub(crate) use self::nearest::nearest;
use self::{
    page::{About, Page},
    set::EndpointSet,
    source::{SourceError, builtin, builtin::Builtin},
};

/// All endpoint sets of all sources, in the order in which the sources were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    sources: Vec<String>,
    abouts: BTreeMap<String, About>,
    sets: Vec<EndpointSet>,
}

/// Why a source does not become part of a catalogue.
#[derive(Debug, Error)]
pub enum CatalogueError {
    /// Another source has this name; names are compared without regard to case.
    #[error("source `{0}` is there already")]
    DuplicateSource(String),
    /// Selectors and keys could not name the source.
    #[error("`{0}` is no source name: use letters, digits, `-`, `_` and `.`")]
    SourceName(String),
    /// A set of another source, which no selector would find under this one.
    #[error("endpoint set `{0}` belongs to another source")]
    ForeignSet(String),
    /// The data of a source is wrong.
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// A source that the catalogue does not have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown source `{name}`{}; known: {}", nearest_hint(.nearest), .known.join(", "))]
pub struct UnknownSource {
    /// As asked for.
    pub name: String,
    /// The known source that is written most like it.
    pub nearest: Option<String>,
    /// All sources of the catalogue.
    pub known: Vec<String>,
}

/// A set that the catalogue does not have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("unknown endpoint set `{id}`{}", nearest_hint(.nearest))]
pub struct UnknownSet {
    /// As asked for.
    pub id: String,
    /// The keys that are written most like it, best first.
    pub nearest: Vec<String>,
}

/// How many keys an [`UnknownSet`] proposes.
const KEYS_PROPOSED: usize = 3;

impl Catalogue {
    /// The catalogue of all built-in sources, each under its own name.
    pub fn builtin() -> Result<Self, CatalogueError> {
        let mut catalogue = Self::default();
        for source in Builtin::ALL {
            catalogue.add_page(source.name(), builtin::page(source, source.name())?)?;
        }
        Ok(catalogue)
    }

    /// Adds the sets of one source, whose name must be new; `sets` may be empty.
    pub fn add(&mut self, source: &str, sets: Vec<EndpointSet>) -> Result<(), CatalogueError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if source.is_empty() || !source.chars().all(allowed) {
            return Err(CatalogueError::SourceName(source.to_owned()));
        }
        if self.sources.iter().any(|s| s.eq_ignore_ascii_case(source)) {
            return Err(CatalogueError::DuplicateSource(source.to_owned()));
        }
        if let Some(foreign) = sets.iter().find(|set| set.source != source) {
            return Err(CatalogueError::ForeignSet(foreign.key.clone()));
        }
        self.sources.push(source.to_owned());
        self.sets.extend(sets);
        Ok(())
    }

    /// Adds a source with all that is known of it.
    ///
    /// # Errors
    /// As [`Catalogue::add`].
    pub fn add_page(&mut self, source: &str, page: Page) -> Result<(), CatalogueError> {
        let Page { about, sets, .. } = page;
        self.add(source, sets)?;
        self.abouts.insert(source.to_owned(), about);
        Ok(())
    }

    /// What is known of a source besides its sets, named as [`Catalogue::sources`] names it.
    pub fn about(&self, source: &str) -> Option<&About> {
        self.abouts.get(source)
    }

    /// Names of the sources.
    pub fn sources(&self) -> &[String] {
        &self.sources
    }

    /// All sets.
    pub fn sets(&self) -> &[EndpointSet] {
        &self.sets
    }

    /// The sets of one source, named in any case.
    pub fn sets_of(&self, source: &str) -> Result<Vec<&EndpointSet>, UnknownSource> {
        let is_it = |name: &String| name.eq_ignore_ascii_case(source);
        let Some(name) = self.sources.iter().find(|name| is_it(name)) else {
            return Err(self.unknown_source(source));
        };
        Ok(self.sets.iter().filter(|set| set.source == *name).collect())
    }

    /// The set with the key `id` (`intune:163`), or all sets of any source with the id or key
    /// behind the source that `id` is (`163`, `172.2`).
    pub fn find(&self, id: &str) -> Result<Vec<&EndpointSet>, UnknownSet> {
        let found: Vec<_> = self.sets.iter().filter(|set| is_named(set, id)).collect();
        if found.is_empty() {
            return Err(self.unknown_set(id));
        }
        Ok(found)
    }

    fn unknown_source(&self, name: &str) -> UnknownSource {
        UnknownSource {
            name: name.to_owned(),
            nearest: nearest(name, self.sources.clone(), String::clone).next(),
            known: self.sources.clone(),
        }
    }

    fn unknown_set(&self, id: &str) -> UnknownSet {
        let text = |set: &&EndpointSet| {
            if id.contains(':') {
                set.key.clone()
            } else {
                set.local_key().to_owned()
            }
        };
        UnknownSet {
            id: id.to_owned(),
            nearest: nearest(id, self.sets.iter(), text)
                .take(KEYS_PROPOSED)
                .map(|set| set.key.clone())
                .collect(),
        }
    }
}

/// Whether `id` is the set's key, its key behind the source, or its id.
fn is_named(set: &EndpointSet, id: &str) -> bool {
    set.key.eq_ignore_ascii_case(id)
        || set.local_key().eq_ignore_ascii_case(id)
        || set.id.is_some_and(|number| number.to_string() == id)
}

/// `, the nearest is ..`, or nothing where there is none.
fn nearest_hint<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => format!(", the nearest is {one}"),
        several => format!(", the nearest are {}", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(sets: &[&EndpointSet]) -> Vec<String> {
        sets.iter().map(|set| set.key.clone()).collect()
    }

    #[test]
    fn sets_are_found_by_key_and_by_what_stands_behind_the_source() {
        let catalogue = Catalogue::builtin().unwrap();
        let table: [(&str, &[&str]); 7] = [
            ("intune:163", &["intune:163"]),
            ("Intune:163", &["intune:163"]),
            ("163", &["intune:163"]),
            ("97", &["intune:97", "m365:97"]),
            ("172", &["intune:172", "intune:172.2"]),
            ("intune:172", &["intune:172"]),
            ("mobile/1", &["power-automate:mobile/1"]),
        ];
        for (id, expected) in table {
            assert_eq!(keys(&catalogue.find(id).unwrap()), expected, "{id}");
        }
    }

    #[test]
    fn an_unknown_set_names_the_nearest_keys() {
        let catalogue = Catalogue::builtin().unwrap();
        let table = [
            ("intune:16", "intune:163"),
            ("intun:178", "intune:178"),
            ("1633", "intune:163"),
            ("power-automate:mobil/1", "power-automate:mobile/1"),
        ];
        for (id, expected) in table {
            let error = catalogue.find(id).unwrap_err();
            assert!(error.nearest.iter().any(|key| key == expected), "{error}");
            assert_eq!(error.nearest.len(), KEYS_PROPOSED);
        }
    }

    #[test]
    fn a_source_name_is_taken_once_and_must_be_selectable() {
        let mut catalogue = Catalogue::default();
        catalogue.add("corp", Vec::new()).unwrap();
        let table = [
            ("corp", "source `corp` is there already"),
            ("Corp", "source `Corp` is there already"),
            (
                "",
                "`` is no source name: use letters, digits, `-`, `_` and `.`",
            ),
            (
                "a:b",
                "`a:b` is no source name: use letters, digits, `-`, `_` and `.`",
            ),
            (
                "a/b",
                "`a/b` is no source name: use letters, digits, `-`, `_` and `.`",
            ),
        ];
        for (name, expected) in table {
            assert_eq!(
                catalogue.add(name, Vec::new()).unwrap_err().to_string(),
                expected
            );
        }
        assert_eq!(catalogue.sources(), ["corp"]);
    }

    #[test]
    fn sets_of_another_source_are_refused() {
        let mut catalogue = Catalogue::default();
        let sets = builtin::sets(Builtin::Intune, "intune").unwrap();
        let error = catalogue.add("corp", sets.clone()).unwrap_err();
        let expected = "endpoint set `intune:163` belongs to another source";
        assert_eq!(error.to_string(), expected);
        assert_eq!(catalogue, Catalogue::default());
        catalogue.add("intune", sets).unwrap();
    }

    #[test]
    fn an_unknown_source_names_the_nearest_and_lists_the_known() {
        let catalogue = Catalogue::builtin().unwrap();
        assert_eq!(
            catalogue.sets_of("intun").unwrap_err().to_string(),
            "unknown source `intun`, the nearest is `intune`; known: intune, power-automate, m365"
        );
        assert_eq!(catalogue.sets_of("Intune").unwrap().len(), 53);
    }

    #[test]
    fn keys_are_unique() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut keys: Vec<_> = catalogue
            .sets()
            .iter()
            .map(|set| set.key.to_lowercase())
            .collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), catalogue.sets().len());
    }
}
