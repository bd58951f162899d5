//! The data that egress brings along, so that it works without any network.
//!
//! In: the files of `egress-ctl/data`, embedded. Out: endpoint sets. `intune.toml` and
//! `power-automate.toml` hold the facts of two Microsoft Learn pages, which their heads name;
//! `m365-worldwide-2026-05-31.json` is what the web service answered for Worldwide on that day,
//! without the notes of sets 78, 126 and 152, which are prose.

use std::collections::HashMap;

use serde::Deserialize;

use super::{Keys, SourceError, web_service};
use crate::catalogue::{record::SetRecord, set::EndpointSet};

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

    /// The built-in source of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|builtin| builtin.name() == name)
    }
}

/// The sets of `builtin`, as sets of the source called `source`.
pub fn sets(builtin: Builtin, source: &str) -> Result<Vec<EndpointSet>, SourceError> {
    match builtin {
        Builtin::Intune => rows(include_str!("../../../data/intune.toml"), source),
        Builtin::PowerAutomate => rows(include_str!("../../../data/power-automate.toml"), source),
        Builtin::M365Worldwide => web_service::sets(
            include_str!("../../../data/m365-worldwide-2026-05-31.json"),
            source,
        ),
    }
}

/// One of our TOML files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    set: Vec<Row>,
}

/// One row of a page's tables.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    id: Option<u32>,
    section: String,
    description: String,
    category: String,
    required: bool,
    #[serde(default)]
    express_route: bool,
    urls: Vec<String>,
    #[serde(default)]
    ips: Vec<String>,
    tcp_ports: Option<String>,
    udp_ports: Option<String>,
}

fn rows(toml: &str, source: &str) -> Result<Vec<EndpointSet>, SourceError> {
    let page: Page = toml::from_str(toml).map_err(|fault| {
        let origin = source.to_owned();
        SourceError::Toml { origin, fault }
    })?;
    let mut keys = Keys::new(source);
    let mut in_section = HashMap::new();
    let records = page.set.into_iter().map(|row| {
        let ordinal = in_section.entry(row.section.clone()).or_insert(0);
        *ordinal += 1;
        let local = match row.id {
            Some(id) => id.to_string(),
            None => format!("{}/{ordinal}", row.section),
        };
        row.into_record(source, keys.next(local))
    });
    records.map(|record| Ok(record.try_into()?)).collect()
}

impl Row {
    fn into_record(self, source: &str, key: String) -> SetRecord {
        let Self {
            id,
            section,
            description,
            category,
            required,
            express_route,
            urls,
            ips,
            tcp_ports,
            udp_ports,
        } = self;
        SetRecord {
            source: source.to_owned(),
            key,
            id,
            description,
            section: Some(section),
            service_area: None,
            category,
            required,
            express_route,
            urls,
            ips,
            tcp_ports,
            udp_ports,
            notes: None,
        }
    }
}

#[cfg(test)]
mod tests;
