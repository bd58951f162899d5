//! One row of the catalogue.
//!
//! In: a [`SetRecord`], the row as text. Out: an [`EndpointSet`], whose names, prefixes and ports
//! are parsed.

use std::{fmt, str::FromStr};

use egress_common::pattern::NamePattern;
use ipnet::IpNet;
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{demand::Demand, ports::Ports, record::SetRecord};

/// Names and prefixes that one function of a service needs, and the ports on which it needs them.
///
/// Lists keep the order and the duplicates of their source. As JSON it is a [`SetRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(try_from = "SetRecord", into = "SetRecord")]
pub struct EndpointSet {
    /// Name of the source.
    pub source: String,
    /// `source:id`, unique in the catalogue; see [`EndpointSet::local_key`].
    pub key: String,
    /// The source's number; two sets of one source may share it.
    pub id: Option<u32>,
    /// A few words; may be empty.
    pub description: String,
    /// Section of the document as a path of slugs: `core`, `desktop-flows/public`.
    pub section: Option<String>,
    /// Service area of the web service: `Common`, `Exchange`, `SharePoint`, `Skype`, ..
    pub service_area: Option<String>,
    /// How the traffic wants to be treated.
    pub category: Category,
    /// Whether the service as a whole fails without this set.
    pub required: bool,
    /// Whether the set is reachable over ExpressRoute.
    pub express_route: bool,
    /// Patterns of host names.
    pub urls: Vec<NamePattern>,
    /// Prefixes, without host bits.
    pub ips: Vec<IpNet>,
    /// TCP ports of all names and prefixes.
    pub tcp_ports: Ports,
    /// UDP ports of all names and prefixes.
    pub udp_ports: Ports,
    /// Remarks of the source.
    pub notes: Option<String>,
    /// What is lost without a set that is not required.
    pub lost: Option<String>,
    /// What the source asks of the network for these names.
    pub demands: Vec<Demand>,
    /// Clouds of the service that the set belongs to; without any it is for all.
    pub clouds: Vec<String>,
    /// Region of the tenants that need the set.
    pub region: Option<String>,
    /// Scale units of the tenants that need the set.
    pub scale_units: Vec<String>,
    /// Storage accounts that the document names beside the set's names.
    pub storage: Vec<String>,
    /// An extra that only a selector which names it selects.
    pub extra: bool,
    /// Title of the document that lists the set.
    pub document: Option<String>,
    /// Day of that document.
    pub date: Option<Date>,
    /// Line of that document.
    pub line: Option<u32>,
}

impl EndpointSet {
    /// The key behind the source: the id (`163`, `172.2` for the second of its id), or section and
    /// ordinal where the source knows no ids (`desktop-flows/public/3`).
    pub fn local_key(&self) -> &str {
        self.key
            .split_once(':')
            .map_or(&self.key, |(_, local)| local)
    }

    /// Whether the set names no port at all. Such a set is reachable on **no** port: a missing
    /// port list is a gap of the source, and a gap must not open everything. Policies warn of it.
    pub fn is_portless(&self) -> bool {
        self.tcp_ports.is_empty() && self.udp_ports.is_empty()
    }
}

/// Microsoft's network categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// Sensitive to delay: leaves directly, past proxies and TLS inspection.
    Optimize,
    /// As Optimize, but tolerates a proxy.
    Allow,
    /// Ordinary internet traffic.
    Default,
}

/// A text that is no category.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a category is Optimize, Allow or Default")]
pub struct CategoryError;

impl Category {
    /// Every category, the most sensitive first.
    pub const ALL: [Self; 3] = [Self::Optimize, Self::Allow, Self::Default];

    /// The name, as the web service writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Optimize => "Optimize",
            Self::Allow => "Allow",
            Self::Default => "Default",
        }
    }
}

/// Reads a category in any case.
impl FromStr for Category {
    type Err = CategoryError;

    fn from_str(text: &str) -> Result<Self, CategoryError> {
        let is_named = |category: &Self| category.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(is_named).ok_or(CategoryError)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
