//! What the service area MEM lacks of Microsoft's Intune document.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    catalogue::source::builtin::{self, Builtin},
    feed::{
        coverage::{Coverage, minus},
        edition::Edition,
    },
};

/// The document against the feed.
#[derive(JsonSchema, Serialize)]
pub(super) struct Intune {
    pub(super) note: &'static str,
    /// Names and prefixes with ports.
    pub(super) lacks: Vec<String>,
}

const NOTE: &str = "Microsoft says that what the service answers for MEM is no longer accurate and \
     that the documentation page is: use the source `intune` as well";

/// What no set of the edition reaches.
pub(super) fn compare(edition: &Edition) -> Result<Intune> {
    let document = builtin::sets(Builtin::Intune, "intune")?;
    let document = document.iter().filter(|set| !set.extra);
    let lacks = minus(document, &Coverage::of(&edition.sets));
    Ok(Intune {
        note: NOTE,
        lacks: lacks.iter().map(ToString::to_string).collect(),
    })
}
