//! `dns flush`: learned addresses are forgotten.

use std::{collections::BTreeSet, net::IpAddr};

use anyhow::{Result, bail};
use clap::Args;
use egress_common::flow::Addr;
use schemars::JsonSchema;
use serde::Serialize;

use super::seen::Seen;
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    dataplane::{learned::end_connections, maps::Pinned},
    dns::{known::Known, saved},
    explain::words::printable,
    schema::Kind,
};

/// Forget learned addresses; new connections to them need a new answer, live ones go on.
#[derive(Args)]
pub struct Flush {
    /// A name, a pattern as the config writes it, or an address.
    #[arg(
        value_name = "NAME|PATTERN|ADDRESS",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    what: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
    /// End live connections to them as well.
    #[arg(long)]
    connections: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.dns-flush/1", "egress-ctl dns flush --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    /// Addresses that were forgotten, or at least by the patterns of the name.
    addresses: BTreeSet<IpAddr>,
    /// Connections that were ended.
    connections: usize,
}

impl Flush {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let mut seen = Seen::read(places)?;
        let known: Vec<_> = seen
            .known()
            .into_iter()
            .filter(|one| self.wants(one))
            .collect();
        if known.is_empty() && !self.all {
            bail!("{}", self.nothing());
        }
        // First of all: a reboot must not bring it back.
        saved::forget(&places.state_dir)?;
        let addresses = known.iter().map(|known| known.address).collect();
        self.forget(&mut seen, &known)?;
        let connections = match self.connections {
            true => end_connections(Pinned(&places.pin_dir), |addr| {
                known.iter().any(|known| known.address == addr)
            })?,
            false => 0,
        };
        let report = Report {
            schema: KIND.name,
            addresses,
            connections,
        };
        match self.json {
            true => print_json(&report),
            false => print(&format!(
                "{} addresses are forgotten, {connections} connections to them ended\n",
                report.addresses.len()
            )),
        }
    }

    fn wants(&self, known: &Known) -> bool {
        match (&self.what, self.address()) {
            (None, _) => true,
            (Some(_), Some(address)) => known.address == address,
            (Some(what), None) => known.is_of(what),
        }
    }

    fn address(&self) -> Option<IpAddr> {
        let address: IpAddr = self.what.as_ref()?.parse().ok()?;
        Some(Addr::from(address).learned_as().into())
    }

    /// Of a name what its patterns taught; of an address, and of all, everything.
    fn forget(&self, seen: &mut Seen, known: &[Known]) -> Result<()> {
        let by_name = self.what.as_ref().filter(|_| self.address().is_none());
        for one in known {
            let Some(entry) = seen
                .entries
                .iter()
                .find(|entry| (entry.address(), entry.client()) == (one.address, one.client))
            else {
                continue;
            };
            let Some(name) = by_name else {
                seen.table.forget(entry)?;
                continue;
            };
            let ids = &seen.force.snapshot.ids;
            let patterns: BTreeSet<u32> = patterns(one, name)
                .filter_map(|text| ids.pattern_id(text))
                .collect();
            seen.table
                .forget_patterns(entry, |id| patterns.contains(&id))?;
        }
        Ok(())
    }

    fn nothing(&self) -> String {
        let what = printable(self.what.as_deref().unwrap_or_default());
        format!(
            "nothing that is learned is known as `{what}`; `egress-ctl dns list` shows names and patterns, and a pattern of theirs can be flushed too"
        )
    }
}

/// The patterns by which a name taught an address; the name may itself be written as a pattern.
fn patterns<'a>(known: &'a Known, name: &'a str) -> impl Iterator<Item = &'a str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let namings = known
        .names
        .iter()
        .filter(move |one| one.name.eq_ignore_ascii_case(name));
    let of_name = namings.filter_map(|naming| naming.pattern.as_deref());
    let teachings = known
        .teachings
        .iter()
        .map(|teaching| teaching.pattern.as_str());
    of_name.chain(teachings.filter(move |pattern| pattern.eq_ignore_ascii_case(name)))
}
