//! `dns unresolved`: destinations that clients tried and nobody looked up.

use std::{collections::BTreeSet, net::IpAddr, time::Duration};

use anyhow::Result;
use clap::Args;
use egress_common::limits;
use schemars::JsonSchema;
use serde::Serialize;

use super::seen::{client, first_of, names};
use crate::{
    command::{
        output::{print, print_json},
        table::table,
    },
    daemon::Places,
    dataplane::{maps::Pinned, missed},
    dns::{
        missed::{Try, unresolved},
        reverse,
        time::{Clocks, ago},
    },
    explain::words::printable,
    schema::Kind,
};

/// Destinations that clients tried and nobody looked up; every try is counted.
#[derive(Args)]
pub struct Unresolved {
    /// Only what this client tried.
    #[arg(long, value_name = "ADDRESS", value_parser = client)]
    client: Option<IpAddr>,
    /// Ask the machine's resolver for the addresses' names.
    #[arg(long)]
    reverse: bool,
    /// How many seconds that may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=300))]
    reverse_limit: u64,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>(
    "egress.dns-unresolved/1",
    "egress-ctl dns unresolved --json",
);

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    capacity: u32,
    destinations: Vec<Try>,
}

impl Unresolved {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let all = missed::all(Pinned(&places.pin_dir))?;
        let clocks = Clocks::now();
        let mut destinations = unresolved(&all, &names(places), clocks);
        destinations.retain(|one| self.client.is_none_or(|client| one.client == client));
        if self.reverse {
            self.add_names(&mut destinations);
        }
        let report = Report {
            schema: KIND.name,
            capacity: limits::MISSED,
            destinations,
        };
        match self.json {
            true => print_json(&report),
            false => print(&report.text(clocks)),
        }
    }

    fn add_names(&self, destinations: &mut [Try]) {
        let addresses: BTreeSet<_> = destinations.iter().map(|one| one.address).collect();
        let limit = Duration::from_secs(self.reverse_limit);
        let found = reverse::names(addresses, limit);
        for one in destinations {
            one.reverse = found.get(&one.address).cloned();
        }
    }
}

impl Report {
    fn text(&self, clocks: Clocks) -> String {
        if self.destinations.is_empty() {
            return "no client tried an address that nobody looked up\n".to_owned();
        }
        let mut text = String::new();
        let header = ["client", "destination", "service", "count", "last", "name"];
        table(&mut text, &header, &self.destinations, |one| {
            [
                one.client.to_string(),
                one.address.to_string(),
                one.service.clone(),
                one.count.to_string(),
                ago(one.last, clocks.wall),
                name(one),
            ]
        });
        text.trim_start().to_owned()
    }
}

/// A name that an answer gave since, or else the one that the address' owner claims.
fn name(one: &Try) -> String {
    match (&one.names[..], &one.reverse) {
        ([], Some(reverse)) => format!("{} (reverse)", printable(reverse)),
        (names, _) => first_of(names.iter().map(String::as_str)),
    }
}
