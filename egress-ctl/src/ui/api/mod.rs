//! What the page is told, as JSON.

mod catalogue;
mod drops;
mod explain;
pub mod feeds;
mod overview;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{answer, query::Query, route::Subject, site::Site};
use crate::schema::Kind;

/// What is told.
pub(crate) const KINDS: &[Kind] = &[
    answer::KIND,
    catalogue::KIND,
    drops::KIND,
    explain::KIND,
    feeds::DECIDED,
    feeds::FEEDS,
    overview::KIND,
];

/// What was asked for, as a JSON object with a schema.
///
/// # Errors
/// The question is wrong, or there is nothing to answer it by.
pub fn read(site: &Site, subject: Subject, query: &Query) -> Result<String> {
    match subject {
        Subject::Overview => overview::overview(site, query),
        Subject::Drops => drops::drops(site, query),
        Subject::Explain => explain::explain(site, query),
        Subject::Catalogue => catalogue::catalogue(site, query),
        Subject::Feeds => feeds::feeds(site),
    }
}

fn json(told: &impl Serialize) -> Result<String> {
    serde_json::to_string(told).context("cannot write JSON")
}
