//! What a document asks of the network besides reachability.
//!
//! In: the facts of a page's prose. Out: [`Demand`]s, of a page as a whole and of the endpoint sets
//! that they concern.

use std::fmt;

use egress_common::pattern::NamePattern;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::set::EndpointSet;

/// A demand, and for which names it holds.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// What is asked.
    pub what: What,
    /// The names of the page; without any it holds for all that the section lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Path of the section, where it holds for that alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub section: Option<String>,
    /// The last day on which the names work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Date>,
    /// Line of the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What can be asked.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// No proxy may open the TLS of these names.
    NoTlsInspection,
    /// A proxy must let these names pass without a login.
    UnauthenticatedProxy,
    /// A proxy must pass on partial answers of HTTP (byte ranges).
    PartialResponse,
    /// The names end on a day.
    Ends,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.what, self.until) {
            (What::NoTlsInspection, _) => f.write_str("TLS inspection is not supported")?,
            (What::UnauthenticatedProxy, _) => f.write_str("proxies must not ask for a login")?,
            (What::PartialResponse, _) => {
                f.write_str("proxies must allow partial answers of HTTP (byte ranges)")?;
            }
            (What::Ends, Some(day)) => write!(f, "ends after {day}")?,
            (What::Ends, None) => f.write_str("ends")?,
        }
        if !self.names.is_empty() {
            write!(f, ": {}", self.names.join(", "))?;
        }
        Ok(())
    }
}

impl Demand {
    /// The demand as far as it concerns a set; none where it does not.
    pub fn of_set(&self, set: &EndpointSet) -> Option<Self> {
        let mut demand = self.clone();
        demand.section = None;
        if self.names.is_empty() {
            let section = self.section.as_deref().filter(|s| !s.is_empty())?;
            return lies_in(set.section.as_deref()?, section).then_some(demand);
        }
        let concerned = |url: &&NamePattern| self.concerns(url);
        let names: Vec<_> = set.urls.iter().filter(concerned).collect();
        if names.is_empty() {
            return None;
        }
        demand.names = names.into_iter().map(ToString::to_string).collect();
        Some(demand)
    }

    /// Whether one of the demand's names is `url` or stands above it.
    pub fn concerns(&self, url: &NamePattern) -> bool {
        let url = url.to_string();
        self.names.iter().any(|name| {
            let domain = name.trim_start_matches("*.").to_ascii_lowercase();
            let wide = name.starts_with("*.") || self.what == What::Ends;
            url == name.to_ascii_lowercase() || (wide && url.ends_with(&format!(".{domain}")))
        })
    }

    /// Whether the names have ended before `today`.
    pub fn is_over(&self, today: Date) -> bool {
        self.until.is_some_and(|until| until < today)
    }
}

fn lies_in(section: &str, wide: &str) -> bool {
    section
        .strip_prefix(wide)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
