//! A change record, as `/changes` answers it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::version::Version;

/// What happened to an endpoint set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Disposition {
    /// It is new.
    Add,
    /// It stays and is different.
    Change,
    /// It is gone.
    Remove,
}

/// Values by key; `None` is JSON's null.
pub type Attributes = BTreeMap<Attribute, Option<String>>;

/// Urls and prefixes that come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Added {
    /// YYYYMMDD: from when they should be used; advice, since many lie in the past.
    pub effective_date: String,
    /// What comes.
    #[serde(flatten)]
    pub items: Items,
}

/// Urls and prefixes of one record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Items {
    /// Prefixes.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ips: BTreeSet<String>,
    /// Names and patterns.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub urls: BTreeSet<String>,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its number, which it keeps.
    pub id: u32,
    /// The set that it is about.
    pub endpoint_set_id: u32,
    /// What happened to that set.
    pub disposition: Disposition,
    /// Why, in one of a dozen words, to which new ones may come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub impact: Option<String>,
    /// The version that brought it.
    pub version: Version,
    /// What was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<Attributes>,
    /// What is now; null, or a key that only `previous` has, is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Attributes>,
    /// What comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<Added>,
    /// What goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<Items>,
}

impl Items {
    /// Neither a prefix nor a url.
    pub fn is_empty(&self) -> bool {
        self.ips.is_empty() && self.urls.is_empty()
    }
}
