//! Where endpoint sets come from, one file a kind of source.
//!
//! In: the text of a source and its name in the configuration. Out: endpoint sets with their keys.

pub mod builtin;
pub mod custom;
pub mod file;
pub mod format;
pub mod learn;
mod service_tags;
mod web_csv;
pub mod web_service;

use std::collections::HashMap;

use thiserror::Error;

use super::fault::SetError;

/// Why a source gives no sets.
#[derive(Debug, Error)]
pub enum SourceError {
    /// Not what the web service answers.
    #[error("source `{origin}` is not a JSON array of endpoint sets: {fault}")]
    Json {
        /// Name of the source.
        origin: String,
        /// Where and why.
        fault: serde_json::Error,
    },
    /// More text than any page has.
    #[error("source `{origin}` has more than {} MiB, which no page has", format::LARGEST_PAGE >> 20)]
    LargePage {
        /// Name of the source.
        origin: String,
    },
    /// Not the CSV of the web service.
    #[error("source `{origin}` is not the web service's CSV: {fault}")]
    Csv {
        /// Name of the source.
        origin: String,
        /// Where and why.
        fault: csv::Error,
    },
    /// Not the weekly JSON of Azure's service tags.
    #[error("source `{origin}` is not a file of Azure service tags: {fault}")]
    ServiceTags {
        /// Name of the source.
        origin: String,
        /// Where and why.
        fault: serde_json::Error,
    },
    /// Not the TOML of endpoint sets.
    #[error("source `{origin}` is not a TOML list of endpoint sets: {fault}")]
    Toml {
        /// Name of the source.
        origin: String,
        /// Where and why.
        fault: toml::de::Error,
    },
    /// A value of a set cannot be parsed.
    #[error(transparent)]
    Set(#[from] SetError),
}

/// Gives the sets of one source their keys, in the order of the source.
pub(crate) struct Keys<'a> {
    source: &'a str,
    given: HashMap<String, u32>,
}

impl<'a> Keys<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        let given = HashMap::new();
        Self { source, given }
    }

    /// `source:local`; for the second set that has this local key `source:local.2`.
    pub(crate) fn next(&mut self, local: String) -> String {
        let key = format!("{}:{local}", self.source);
        let times = self.given.entry(local).or_default();
        *times += 1;
        match *times {
            1 => key,
            n => format!("{key}.{n}"),
        }
    }
}
