//! `dns refused`: addresses that answers gave and nobody may learn.

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::seen::names;
use crate::{
    command::{
        output::{print, print_json},
        table::table,
    },
    daemon::Places,
    dns::{
        names::Refused as Address,
        time::{Clocks, ago},
    },
    explain::words::printable,
    schema::Kind,
};

/// Addresses that answers gave and nobody may learn: private, local, internal, the gateway's own.
#[derive(Args)]
pub struct Refused {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.dns-refused/1", "egress-ctl dns refused --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    addresses: Vec<Address>,
}

impl Refused {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let report = Report {
            schema: KIND.name,
            addresses: names(places).refused().cloned().collect(),
        };
        match self.json {
            true => print_json(&report),
            false => print(&report.text()),
        }
    }
}

impl Report {
    fn text(&self) -> String {
        if self.addresses.is_empty() {
            return "no answer for a listed name gave an address that nobody may learn\n"
                .to_owned();
        }
        let mut text = String::new();
        let now = Clocks::now().wall;
        let header = ["name", "address", "answers", "client", "last"];
        table(&mut text, &header, &self.addresses, |one| {
            [
                printable(&one.name),
                one.address.to_string(),
                one.answers.to_string(),
                one.client.to_string(),
                ago(one.last, now),
            ]
        });
        text.trim_start().to_owned()
    }
}
