//! What DNS answers taught of an address.

use std::net::IpAddr;

use egress_common::{flow::Addr, learned::Slot};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{ground::learned_key, words::printable};
use crate::{
    dns::{names::Naming, time::ago},
    policy::{ids::Ids, tables::HostTables},
};

/// A pattern that taught an address.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Teaching {
    /// The pattern's text.
    pub pattern: String,
    /// Negative once it has expired.
    pub seconds_left: i64,
    /// The names below it that answers gave the address for, the one answered last first; empty where nobody
    /// heard the answer, or where it was not asked for.
    pub names: Vec<Naming>,
}

/// The patterns that taught an address, for a client where that matters.
pub fn teachings(
    addr: Addr,
    client: Option<IpAddr>,
    tables: &HostTables<'_>,
    ids: &Ids,
) -> Vec<Teaching> {
    let learned = tables.learned.get(&learned_key(addr, client, tables));
    let words = learned.map(|learned| learned.slots);
    let slots = words.into_iter().flatten().filter_map(Slot::from_word);
    let told = slots.map(|slot| Teaching {
        pattern: ids
            .pattern_named(slot.pattern)
            .unwrap_or("unknown")
            .to_owned(),
        seconds_left: seconds_left(slot.expires_ms, tables),
        names: Vec::new(),
    });
    told.collect()
}

/// Seconds for which the last answer counts that gave an address for a name that is not listed.
pub fn refused_seconds_left(addr: Addr, tables: &HostTables<'_>) -> Option<i64> {
    let until = tables.refused.get(&addr)?;
    Some(seconds_left(*until, tables))
}

fn seconds_left(until_ms: u64, tables: &HostTables<'_>) -> i64 {
    (until_ms as i64 - tables.now_ms as i64) / 1000
}

impl Teaching {
    /// How long it still counts, as words.
    pub fn left(&self) -> String {
        left(self.seconds_left)
    }
}

/// How long something still counts, as words.
pub fn left(seconds: i64) -> String {
    match seconds {
        left if left > 0 => format!("{left} s left"),
        left => format!("expired {} s ago", -left),
    }
}

/// What is known of the answers that taught an address, as lines.
pub fn answered(names: &[Naming], now: Timestamp) -> Vec<String> {
    if names.is_empty() {
        return vec!["to a name that is not known: no daemon heard the answer".to_owned()];
    }
    let told = names.iter().map(|naming| {
        let through = match naming.chain.as_slice() {
            [] => String::new(),
            chain => format!(" through {}", chain.join(", ")),
        };
        let (ttl, ago) = (naming.ttl, ago(naming.last, now));
        printable(&format!("to {}{through}, TTL {ttl} s, {ago}", naming.name))
    });
    told.collect()
}
