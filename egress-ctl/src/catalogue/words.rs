//! The words by which selectors know an endpoint set.
//!
//! In: a set. Out: its [`Words`].

use super::set::EndpointSet;

/// What a set answers to.
pub(super) struct Words {
    /// Words of their own.
    pub(super) plain: Vec<String>,
    /// Words behind `attribute=`.
    pub(super) attributes: Vec<(&'static str, String)>,
    /// Parts of sections, of which also some words are enough.
    parts: Vec<String>,
}

/// Words that say what a set is, never where it stands: `required` is no word of a heading.
const RESERVED: [&str; 5] = ["required", "optional", "optimize", "allow", "default"];

/// Names of sections that people write for others.
const ALIASES: [(&str, &[&str]); 8] = [
    ("windows-push-notification", &["wns"]),
    ("delivery-optimization", &["do"]),
    (
        "win32-apps",
        &["powershell", "scripts", "powershell-scripts", "sidecar"],
    ),
    ("macos", &["mac"]),
    (
        "privilege-management",
        &["epm", "endpoint-privilege-management"],
    ),
    ("defender", &["mde", "defender-for-endpoint"]),
    ("authentication", &["auth", "entra"]),
    ("mobile", &["mobile-app"]),
];

/// Regions by the names that documents use for them.
const REGIONS: [(&str, &str); 3] = [
    ("north-america", "na"),
    ("europe", "eu"),
    ("asia-pacific", "ap"),
];

impl Words {
    /// The words of a set.
    pub(super) fn of(set: &EndpointSet) -> Self {
        let section = set.section.iter().flat_map(|section| section.split('/'));
        let parts: Vec<_> = section.map(str::to_lowercase).collect();
        let need = if set.required { "required" } else { "optional" };
        let aliases = ALIASES
            .iter()
            .filter(|(name, _)| parts.iter().any(|part| part == name));
        let mut plain: Vec<String> = parts.clone();
        plain.extend(
            aliases.flat_map(|(_, aliases)| aliases.iter().map(|alias| (*alias).to_owned())),
        );
        plain.extend(set.local_key().split('/').map(str::to_lowercase));
        plain.extend(set.service_area.clone());
        plain.extend([set.category.name(), need].map(str::to_owned));
        plain.extend(set.id.map(|id| id.to_string()));
        let attributes = attributes(set);
        // A row below the heading of one cloud that is valid for another answers only to
        // `cloud=..`, so that the other's heading selects its own rows.
        let elsewhere = |value: &str| {
            WIDE.contains(&value) && parts.iter().any(|part| WIDE.contains(&part.as_str()))
        };
        let bare = attributes.iter().filter(|(_, value)| !elsewhere(value));
        plain.extend(bare.map(|(_, value)| value.clone()));
        Self {
            plain,
            attributes,
            parts,
        }
    }

    /// Whether the set knows a segment of a selector.
    pub(super) fn know(&self, segment: &str) -> bool {
        let segment = segment.to_lowercase();
        if let Some((attribute, value)) = segment.split_once('=') {
            let (attribute, value) = (attribute.trim(), value.trim());
            return self
                .attributes
                .iter()
                .any(|(name, known)| *name == attribute && known == value);
        }
        self.plain
            .iter()
            .any(|word| word.eq_ignore_ascii_case(&segment))
            || self.parts.iter().any(|part| has_words(part, &segment))
    }
}

fn attributes(set: &EndpointSet) -> Vec<(&'static str, String)> {
    let mut attributes = Vec::new();
    for unit in &set.scale_units {
        attributes.push(("scale-unit", unit.to_lowercase()));
    }
    if let Some(region) = set.region.as_deref().map(str::to_lowercase) {
        let short = REGIONS.iter().find(|(name, _)| *name == region);
        attributes.extend(short.map(|(_, short)| ("region", (*short).to_owned())));
        attributes.push(("region", region));
    }
    for cloud in &set.clouds {
        attributes.push(("cloud", cloud.to_lowercase()));
        // What is for the government's clouds is for each of them.
        if cloud == "us-gov" {
            attributes.extend(US_GOV.map(|part| ("cloud", part.to_owned())));
        }
    }
    attributes
}

/// Clouds that have headings of their own.
const WIDE: [&str; 4] = ["global", "public", "us-gov", "china"];
/// The clouds of the US Government.
const US_GOV: [&str; 3] = ["gcc", "gcc-high", "dod"];

/// Whether a part of a section has all words of a segment: `microsoft-store` has `store`.
fn has_words(part: &str, segment: &str) -> bool {
    let words: Vec<_> = part.split('-').collect();
    let has = |word: &str| words.contains(&word) && !RESERVED.contains(&word);
    words.len() > 1 && segment.split('-').all(has)
}
