//! The data that egress brings along, so that it works without any network.
//!
//! In: the files of `egress-ctl/data`, embedded. Out: endpoint sets. `intune.toml` and
//! `power-automate.toml` are what the importer makes of two Microsoft Learn pages, by the command
//! that their heads name; `descriptions.toml` says in our own words what the sets are for.
//! `m365-worldwide-2026-05-31.json` is what the web service answered for Worldwide on that day,
//! without the notes of sets 78, 126 and 152, which are prose.

use std::collections::BTreeMap;

use super::{SourceError, web_service};
use crate::catalogue::{
    page::{Page, PageText},
    set::EndpointSet,
};

/// A source that needs no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Builtin {
    /// Microsoft Intune.
    Intune,
    /// Power Automate.
    PowerAutomate,
    /// Microsoft 365, instance Worldwide.
    M365Worldwide,
}

impl Builtin {
    /// Every built-in source.
    pub const ALL: [Self; 3] = [Self::Intune, Self::PowerAutomate, Self::M365Worldwide];

    /// The name under which configurations and commands know the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intune => "intune",
            Self::PowerAutomate => "power-automate",
            Self::M365Worldwide => "m365",
        }
    }

    /// The file of the source.
    fn data(self) -> &'static str {
        match self {
            Self::Intune => include_str!("../../../data/intune.toml"),
            Self::PowerAutomate => include_str!("../../../data/power-automate.toml"),
            Self::M365Worldwide => include_str!("../../../data/m365-worldwide-2026-05-31.json"),
        }
    }

    /// The built-in source of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
    }
}

/// The sets of `builtin`, as sets of the source called `source`.
///
/// # Errors
/// Wrong data, which the tests of this module rule out.
pub fn sets(builtin: Builtin, source: &str) -> Result<Vec<EndpointSet>, SourceError> {
    Ok(page(builtin, source)?.sets)
}

/// All of `builtin`, as the source called `source`.
///
/// # Errors
/// Wrong data, which the tests of this module rule out.
pub fn page(builtin: Builtin, source: &str) -> Result<Page, SourceError> {
    match builtin {
        Builtin::Intune | Builtin::PowerAutomate => {
            let mut page = toml_page(builtin.data(), source)?;
            describe(&mut page, builtin, source)?;
            Ok(page)
        }
        Builtin::M365Worldwide => Ok(Page {
            sets: web_service::sets(builtin.data(), source)?,
            ..Page::default()
        }),
    }
}

/// A page in our TOML.
pub(super) fn toml_page(toml: &str, source: &str) -> Result<Page, SourceError> {
    let text: PageText = toml::from_str(toml).map_err(|fault| not_toml(source, fault))?;
    Ok(text.into_page(source)?)
}

fn not_toml(source: &str, fault: toml::de::Error) -> SourceError {
    let origin = source.to_owned();
    SourceError::Toml { origin, fault }
}

/// Adds the descriptions, which are our own words: the data holds the documents' facts alone.
fn describe(page: &mut Page, builtin: Builtin, source: &str) -> Result<(), SourceError> {
    let all: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(include_str!("../../../data/descriptions.toml"))
            .map_err(|fault| not_toml(source, fault))?;
    let Some(known) = all.get(builtin.name()) else {
        return Ok(());
    };
    for set in &mut page.sets {
        let section = set.section.as_deref().unwrap_or_default();
        let system = section.split('/').next().unwrap_or_default();
        let words = [set.local_key(), section, system];
        let words = words.into_iter().find_map(|key| known.get(key));
        set.description = words.cloned().unwrap_or_default();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
