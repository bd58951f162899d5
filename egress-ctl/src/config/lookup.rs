//! How the kernel looks destinations up.

use toml::Spanned;

use super::problem::Problems;

/// A table of destinations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lookup {
    /// Plain arrays, which take some reads.
    #[default]
    Flat,
    /// The kernel's own trie of prefixes, which takes a call and a walk.
    Trie,
}

impl Lookup {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Flat, Self::Trie];

    /// The name in the config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::Trie => "trie",
        }
    }
}

/// The table that is written, or else the usual one.
pub(super) fn lookup(raw: Option<&Spanned<String>>, problems: &mut Problems<'_>) -> Lookup {
    let Some(raw) = raw else {
        return Lookup::default();
    };
    let mut known = Lookup::ALL.into_iter();
    let found = known.find(|lookup| lookup.name() == raw.get_ref());
    if found.is_none() {
        let names = Lookup::ALL.map(Lookup::name);
        problems.unknown(raw, "gateway.lookup", "lookup", &names);
    }
    found.unwrap_or_default()
}
