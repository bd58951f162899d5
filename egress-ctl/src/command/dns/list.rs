//! `dns list`: the learned addresses.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::Result;
use clap::Args;
use clap_complete::ArgValueCompleter;
use egress_common::limits;
use schemars::JsonSchema;
use serde::Serialize;

use super::seen::{Seen, client, first_of};
use crate::{
    command::{
        keys::check_set,
        live,
        output::{print, print_json},
        table::table,
    },
    daemon::Places,
    dns::{
        known::Known,
        time::{ago, span},
    },
    schema::Kind,
};

/// Learned addresses: names, patterns, groups, time left, connections.
#[derive(Args)]
pub struct List {
    /// Only what this client asked for, of the last ones that did.
    #[arg(long, value_name = "ADDRESS", value_parser = client)]
    client: Option<IpAddr>,
    /// Only what this endpoint set or rule allows.
    #[arg(long, value_name = "KEY", add = ArgValueCompleter::new(live::sets))]
    set: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.dns-list/1", "egress-ctl dns list --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    generation: u64,
    /// How many addresses are learned, and how many may be.
    learned: usize,
    capacity: u32,
    addresses: Vec<Known>,
}

impl List {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let seen = Seen::read(places)?;
        if let Some(set) = &self.set {
            check_set(set, &seen.force.snapshot.ids)?;
        }
        let mut addresses = seen.known();
        addresses.retain(|known| self.wants(known));
        let report = Report {
            schema: KIND.name,
            generation: seen.force.snapshot.number,
            learned: seen.entries.len(),
            capacity: limits::LEARNED,
            addresses,
        };
        match self.json {
            true => print_json(&report),
            false => print(&report.text(&seen)),
        }
    }

    fn wants(&self, known: &Known) -> bool {
        let asked = |client| match known.client {
            Some(of) => of == client,
            None => known.names.iter().any(|one| one.clients.contains(&client)),
        };
        let is_of = |set| known.teachings.iter().any(|one| one.sets.contains(set));
        self.client.is_none_or(asked) && self.set.as_ref().is_none_or(is_of)
    }
}

impl Report {
    fn text(&self, seen: &Seen) -> String {
        let mut text = String::new();
        let header = [
            "address",
            "name",
            "pattern",
            "groups",
            "left",
            "hits",
            "first seen",
            "last seen",
        ];
        let now = seen.clocks.wall;
        table(&mut text, &header, &self.addresses, |known| {
            let teaching = known.teachings.first();
            let groups = teaching.map(|one| one.groups.join(", "));
            let whose = known.client.map(|client| format!(" for {client}"));
            [
                format!("{}{}", known.address, whose.unwrap_or_default()),
                first_of(known.names.iter().map(|one| one.name.as_str())),
                first_of(known.teachings.iter().map(|one| one.pattern.as_str())),
                groups
                    .filter(|groups| !groups.is_empty())
                    .unwrap_or_else(|| "-".to_owned()),
                left(known.seconds_left()),
                known.hits.to_string(),
                ago(known.first_seen, now),
                ago(known.last_seen, now),
            ]
        });
        // Writing into a string cannot fail.
        let _: std::fmt::Result = writeln!(
            text,
            "{}{} of {} addresses are learned, of which {} are shown",
            if text.is_empty() { "" } else { "\n" },
            self.learned,
            self.capacity,
            self.addresses.len(),
        );
        text.trim_start().to_owned()
    }
}

/// How long answers still count.
pub(super) fn left(seconds: i64) -> String {
    match u64::try_from(seconds) {
        Ok(left) if left > 0 => span(left),
        _ => format!("expired {} ago", span(seconds.unsigned_abs())),
    }
}
