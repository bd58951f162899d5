//! `dns overruns`: clients that go on using answers after their end.

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
    dataplane::{maps::Pinned, missed},
    dns::{
        missed::{Overrun, overruns},
        time::{Clocks, ago, span},
    },
    explain::words::printable,
    schema::Kind,
};

/// New connections that were denied as `expired`, by the name whose answer had ended.
#[derive(Args)]
pub struct Overruns {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.dns-overruns/1", "egress-ctl dns overruns --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    names: Vec<Overrun>,
}

impl Overruns {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let all = missed::all(Pinned(&places.pin_dir))?;
        let clocks = Clocks::now();
        let report = Report {
            schema: KIND.name,
            names: overruns(&all, &names(places), clocks),
        };
        match self.json {
            true => print_json(&report),
            false => print(&report.text(clocks)),
        }
    }
}

impl Report {
    fn text(&self, clocks: Clocks) -> String {
        if self.names.is_empty() {
            return "no client used an answer after its end\n".to_owned();
        }
        let mut text = String::new();
        let header = ["name", "longest overrun", "drops", "clients", "last"];
        table(&mut text, &header, &self.names, |one| {
            [
                printable(&one.name),
                span(one.longest_ms.div_ceil(1000)),
                one.drops.to_string(),
                one.clients.len().to_string(),
                ago(one.last, clocks.wall),
            ]
        });
        text.trim_start().to_owned()
    }
}
