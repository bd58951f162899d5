//! Endpoint sets as JSON, listed or shown.

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    catalogue::{page::About, set::EndpointSet},
    command::output,
    schema::Kind,
};

/// Of what `list` and `show` print as JSON.
pub(super) const KIND: Kind = Kind::of::<Printed<'_>>(
    "egress.catalogue/1",
    "egress-ctl catalogue list and show --json",
);

/// Endpoint sets.
#[derive(JsonSchema, Serialize)]
pub(super) struct Printed<'a> {
    schema: &'static str,
    /// What is known of the source as a whole; null where sets are listed.
    about: Option<&'a About>,
    sets: &'a [&'a EndpointSet],
}

/// One JSON object.
pub(super) fn json(about: Option<&About>, sets: &[&EndpointSet]) -> Result<String> {
    let schema = KIND.name;
    let printed = Printed {
        schema,
        about,
        sets,
    };
    output::json(&printed)
}
