//! `dns show`: all that is known of a name, a pattern or an address.

use std::{collections::BTreeSet, fmt::Write as _, net::IpAddr};

use anyhow::{Result, bail};
use clap::Args;
use egress_common::flow::Addr;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{list::left, seen::Seen};
use crate::{
    catalogue::nearest::nearest,
    command::output::{print, print_json},
    daemon::Places,
    dns::{
        known::{Known, Teaching},
        names::{Line, Naming, Refused},
        time::ago,
    },
    explain::words::printable,
    schema::Kind,
};

/// All that is known of a name, a pattern or an address.
#[derive(Args)]
pub struct Show {
    /// A name, a pattern as the config writes it, or an address.
    #[arg(value_name = "NAME|PATTERN|ADDRESS")]
    what: String,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.dns-show/1", "egress-ctl dns show --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    asked: String,
    /// Learned addresses.
    addresses: Vec<Known>,
    /// Names of theirs, or of the address, that are remembered without being learned: those of which no
    /// pattern lists the name, and those whose address has left the kernel's table.
    remembered: Vec<Remembered>,
    /// Addresses that nobody may learn.
    refused: Vec<Refused>,
}

#[derive(JsonSchema, Serialize)]
struct Remembered {
    address: IpAddr,
    #[serde(flatten)]
    naming: Naming,
}

impl Show {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let seen = Seen::read(places)?;
        let report = Report::of(&self.what, &seen);
        if report.addresses.is_empty() && report.remembered.is_empty() && report.refused.is_empty()
        {
            bail!(
                "no answer that a client got was about `{}`{}; `egress-ctl dns list` shows what is learned, `egress-ctl dns unresolved` what was tried without an answer",
                printable(&self.what),
                near(&self.what, &seen)
            );
        }
        match self.json {
            true => print_json(&report),
            false => print(&report.text(seen.clocks.wall)),
        }
    }
}

/// The name that is most like one that no answer was about; nothing for an address, or where no name is known.
fn near(what: &str, seen: &Seen) -> String {
    if what.parse::<IpAddr>().is_ok() {
        return String::new();
    }
    let answered = seen.names.lines().flat_map(|line| match line {
        Line::Address { names, .. } => names.into_iter().map(|naming| naming.name).collect(),
        Line::Refused(refused) => vec![refused.name],
    });
    let names: BTreeSet<String> = answered.collect();
    match nearest(what, names, Clone::clone).next() {
        Some(name) => format!(", the nearest name is `{}`", printable(&name)),
        None => String::new(),
    }
}

impl Report {
    fn of(what: &str, seen: &Seen) -> Self {
        let address = what.parse().ok();
        let address = address.map(|addr: IpAddr| IpAddr::from(Addr::from(addr).learned_as()));
        let is_asked = |known: &Known| match address {
            Some(address) => known.address == address,
            None => known.is_of(what),
        };
        let addresses: Vec<_> = seen.known().into_iter().filter(is_asked).collect();
        let is_refused = |refused: &&Refused| match address {
            Some(address) => refused.address == address,
            None => refused.name.eq_ignore_ascii_case(what),
        };
        Self {
            schema: KIND.name,
            asked: what.to_owned(),
            remembered: remembered(what, address, seen),
            addresses,
            refused: seen.names.refused().filter(is_refused).cloned().collect(),
        }
    }

    fn text(&self, now: Timestamp) -> String {
        let mut text = String::new();
        for known in &self.addresses {
            tell_known(&mut text, known, now);
        }
        for Remembered { address, naming } in &self.remembered {
            let why = match naming.pattern {
                Some(_) => "not learned any more",
                None => "its name is in no pattern",
            };
            line(&mut text, 0, &format!("{address}, {why}"));
            tell_naming(&mut text, naming, now);
        }
        for refused in &self.refused {
            let Refused {
                name,
                address,
                answers,
                client,
                last,
            } = refused;
            let ago = ago(*last, now);
            let told = format!(
                "{address}, refused; answers for {name} gave it: {answers}, the last one to {client}, {ago}"
            );
            line(&mut text, 0, &told);
        }
        text
    }
}

/// Names that are kept of an address, or under a name, beside those of learned addresses.
fn remembered(what: &str, address: Option<IpAddr>, seen: &Seen) -> Vec<Remembered> {
    let name = what.strip_suffix('.').unwrap_or(what);
    let by_address = address.is_some();
    let addresses = match address {
        Some(address) => vec![address],
        None => seen.names.addresses(name),
    };
    let mut remembered = Vec::new();
    for address in addresses {
        let is_learned = seen.entries.iter().any(|entry| entry.address() == address);
        let is_asked = |one: &&Naming| by_address || one.name.eq_ignore_ascii_case(name);
        for naming in seen.names.of(address).iter().filter(is_asked) {
            if !(is_learned && naming.pattern.is_some()) {
                let naming = naming.clone();
                remembered.push(Remembered { address, naming });
            }
        }
    }
    remembered
}

fn tell_known(text: &mut String, known: &Known, now: Timestamp) {
    let whose = known.client.map(|client| format!(", for {client} alone"));
    line(
        text,
        0,
        &format!("{}{}", known.address, whose.unwrap_or_default()),
    );
    for teaching in &known.teachings {
        let Teaching {
            pattern,
            groups,
            sets,
            expires: _,
            seconds_left,
        } = teaching;
        let groups = match groups.is_empty() {
            true => "no group".to_owned(),
            false => groups.join(", "),
        };
        let sets = match sets.is_empty() {
            true => String::new(),
            false => format!(" ({})", sets.join(", ")),
        };
        let left = left(*seconds_left);
        line(
            text,
            1,
            &format!("taught by   {pattern}, {left}; for {groups}{sets}"),
        );
    }
    for naming in &known.names {
        tell_naming(text, naming, now);
    }
    if known.names.is_empty() {
        line(
            text,
            1,
            "name        not known: it was learned while no daemon ran",
        );
    }
    let (first, last) = (ago(known.first_seen, now), ago(known.last_seen, now));
    let hits = known.hits;
    line(
        text,
        1,
        &format!("used        connections {hits}; first seen {first}, last seen {last}"),
    );
}

fn tell_naming(text: &mut String, naming: &Naming, now: Timestamp) {
    let Naming {
        name,
        chain,
        pattern: _,
        ttl,
        clients,
        answers,
        first,
        last,
    } = naming;
    let (first, last) = (ago(*first, now), ago(*last, now));
    line(
        text,
        1,
        &format!("name        {name}, TTL {ttl} s; answers {answers}, first {first}, last {last}"),
    );
    if !chain.is_empty() {
        line(text, 1, &format!("  through   {}", chain.join(", ")));
    }
    let clients: Vec<_> = clients.iter().map(IpAddr::to_string).collect();
    line(text, 1, &format!("  asked by  {}", clients.join(", ")));
}

fn line(text: &mut String, depth: usize, told: &str) {
    // Writing into a string cannot fail.
    let _: std::fmt::Result = writeln!(text, "{}{}", "  ".repeat(depth), printable(told));
}
