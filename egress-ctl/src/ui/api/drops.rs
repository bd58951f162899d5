//! Packets that did not pass, or would not.
//!
//! In: a filter, and the number behind which a browser has none. Out: those that the filter means, each with what to
//! ask to have it explained.

use anyhow::Result;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    explain::{Asked, asked_of},
    json,
};
use crate::{
    command::watch::told::Told,
    explain::words,
    filter::{Filter, Known},
    in_force,
    schema::Kind,
    ui::{query::Query, ring::News, site::Site, watcher::Hearing},
};

/// Of one answer.
const MOST: usize = 500;

/// Of what the page is told.
pub(super) const KIND: Kind =
    Kind::of::<Drops<'_>>("egress.ui-drops/1", "the page: GET /api/drops");

#[derive(JsonSchema, Serialize)]
struct Drops<'a> {
    schema: &'static str,
    instance: String,
    /// The filter in its normal form.
    filter: String,
    /// Since when all of them are held.
    since: Timestamp,
    /// Why there are none now; null where there are.
    fault: Option<&'a str>,
    /// Those that came faster than they were read or asked for.
    lost: u64,
    /// Those that are kept no more, or are more than one answer has.
    missed: u64,
    /// What to ask for next.
    next: u64,
    drops: Vec<Drop<'a>>,
}

#[derive(JsonSchema, Serialize)]
struct Drop<'a> {
    number: u64,
    /// Protocol and port in words.
    service: String,
    /// The reason in words; null where another version gave it.
    because: Option<&'static str>,
    /// What to ask to have it explained; null where nothing can be asked.
    ask: Option<Asked>,
    event: &'a Told,
}

pub(super) fn drops(site: &Site, query: &Query) -> Result<String> {
    let filter: Filter = query.text("filter").unwrap_or_default().parse()?;
    if !filter.is_empty()
        && let Ok(snapshot) = in_force::snapshot(&site.places)
    {
        filter.check(&Known::from(&snapshot.ids))?;
    }
    let instance = site.instance.to_string();
    // Numbers of another instance mean nothing here.
    let is_ours = query.text("instance").is_none_or(|known| known == instance);
    let after = query.maybe("after")?.filter(|_| is_ours).unwrap_or(0);
    let mut state = site.seen.state();
    state.want_events();
    let Hearing { since, fault, lost } = &state.hearing;
    let wanted = |told: &Told| filter.matches(&told.subject());
    let News { all, missed, next } = state.drops.since(after, MOST, wanted);
    json(&Drops {
        schema: KIND.name,
        instance,
        filter: filter.to_string(),
        since: *since,
        fault: fault.as_deref(),
        lost: *lost,
        missed,
        next,
        drops: all.into_iter().map(drop).collect(),
    })
}

fn drop((number, event): (u64, &Told)) -> Drop<'_> {
    let record = &event.record;
    let service = record.protocol_number;
    Drop {
        number,
        service: service.map_or_else(String::new, |number| words::service(number, record.port)),
        because: record.reason().map(words::reason),
        ask: asked_of(record),
        event,
    }
}
