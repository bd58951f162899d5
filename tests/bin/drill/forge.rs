//! `drill forge`: real packets that say that they are answers of a trusted resolver, from the internet and from
//! another client, while a client waits for the true ones. None may be learned; and each true one must be.

mod ground;
mod kinds;

use std::net::IpAddr;

use anyhow::{Result, ensure};
use clap::Args;
use lab::flow::Family;
use lab::interrupt;
use serde::Serialize;

use self::ground::{Ground, Tally};
use self::kinds::{Exchange, KINDS, Kind, Time};
use super::Report;
use super::asking::Paced;

/// What is counted of a record that the question does not lead to.
const UNLINKED: &str = "unlinked-owner";
/// Twice as many true answers to one client teach about as many addresses as its share has room for.
const MOST: i64 = 4000;
/// Forged answers to one query.
const A_QUERY: u32 = 10;

#[derive(Args)]
pub(crate) struct Options {
    /// Forged answers of each kind, over IPv4 and over IPv6
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=MOST))]
    messages: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ForgeReport {
    schema: &'static str,
    drill: &'static str,
    messages: u32,
    groups: Vec<Group>,
    /// True answers to the same queries, and how many of them were learned.
    honest: u64,
    honest_learned: u64,
    passed: bool,
}

/// Forged answers of one kind over one family.
#[derive(Serialize)]
struct Group {
    family: Family,
    what: &'static str,
    sent: u64,
    /// Counted by the filter under the outcome that is expected.
    outcome: &'static str,
    seen: u64,
    learned: u64,
    /// True answers to the queries that were forged at.
    honest: u64,
    honest_learned: u64,
}

impl Group {
    fn holds(&self) -> bool {
        self.seen == self.sent && self.learned == 0 && self.honest_learned == self.honest
    }
}

impl Report for ForgeReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let group = |group: &Group| {
            let Group {
                family,
                sent,
                outcome,
                seen,
                learned,
                ..
            } = group;
            let counted = format!("{family}: {sent} sent, {seen} {outcome}, {learned} learned");
            let honest = format!("; true ones {} of {}", group.honest_learned, group.honest);
            (group.what, counted + &honest)
        };
        let mut lines: Vec<_> = self.groups.iter().map(group).collect();
        let learned = format!("{} of {} learned", self.honest_learned, self.honest);
        lines.push(("true answers", learned));
        lines
    }
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let ground = Ground::prepare()?;
    let mut given = 0;
    let mut groups = Vec::new();
    for family in [Family::Ipv4, Family::Ipv6] {
        for kind in KINDS {
            groups.push(forge(&ground, family, kind, options.messages, &mut given)?);
        }
        groups.push(unlinked(&ground, family, options.messages, &mut given)?);
    }
    let report = ForgeReport {
        schema: "egress.drill/1",
        drill: "forge",
        messages: options.messages,
        honest: groups.iter().map(|group| group.honest).sum(),
        honest_learned: groups.iter().map(|group| group.honest_learned).sum(),
        passed: groups.iter().all(Group::holds),
        groups,
    };
    super::print(&report, options.json)?;
    Ok(report.passed)
}

/// Queries, then what is forged at them, and their true answers, before or behind it. `given` are the addresses
/// that answers held so far: each holds one of its own.
fn forge(
    ground: &Ground,
    family: Family,
    kind: &Kind,
    messages: u32,
    given: &mut u32,
) -> Result<Group> {
    let queries = messages.div_ceil(A_QUERY);
    let exchanges: Vec<Exchange> = (0..queries)
        .map(|_| Exchange::fresh(family, given))
        .collect();
    if kind.time != Time::Unasked {
        ask(ground, &exchanges)?;
    }
    let before = ground.tally()?;
    if kind.time == Time::Replayed {
        answer(ground, &exchanges, &before)?;
    }
    let ready = ground.tally()?;
    for (i, exchange) in (0..messages).zip(exchanges.iter().cycle()) {
        interrupt::check()?;
        let forged = kind.forge(exchange, i, given);
        ground.send(kind.from, family, &forged)?;
    }
    let forged = ground.wait_for(ready.messages + u64::from(messages))?;
    if kind.time == Time::Unasked {
        // The control: the same, asked for.
        ask(ground, &exchanges)?;
    }
    if kind.time != Time::Replayed {
        answer(ground, &exchanges, &forged)?;
    }
    let after = ground.tally()?;
    let honest_learned = if kind.time == Time::Replayed {
        ready.addresses - before.addresses
    } else {
        after.addresses - forged.addresses
    };
    Ok(Group {
        family,
        what: kind.what,
        sent: messages.into(),
        outcome: kind.outcome,
        seen: forged.of(kind.outcome) - ready.of(kind.outcome),
        learned: (forged.addresses - ready.addresses)
            .max(forged.of("learned") - ready.of("learned")),
        honest: queries.into(),
        honest_learned,
    })
}

/// True answers that hold an address of another name besides their own.
fn unlinked(ground: &Ground, family: Family, messages: u32, given: &mut u32) -> Result<Group> {
    let exchanges: Vec<Exchange> = (0..messages)
        .map(|_| Exchange::fresh(family, given).with_unlinked(given))
        .collect();
    let before = ground.tally()?;
    for waited in exchanges.chunks(A_QUERY as usize) {
        ask(ground, waited)?;
        for exchange in waited {
            ground.answer(exchange)?;
        }
    }
    let after = ground.wait_for(before.messages + u64::from(messages))?;
    let learned = after.addresses - before.addresses;
    let honest = u64::from(messages);
    Ok(Group {
        family,
        what: "unlinked record",
        sent: honest,
        outcome: UNLINKED,
        seen: after.of(UNLINKED) - before.of(UNLINKED),
        learned: learned.saturating_sub(honest),
        honest,
        honest_learned: learned.min(honest),
    })
}

/// The client asks, and each query passes the gateway.
fn ask(ground: &Ground, exchanges: &[Exchange]) -> Result<()> {
    let mut paced = Paced::new();
    for exchange in exchanges {
        paced.wait()?;
        ground.ask(exchange)?;
    }
    Ok(())
}

/// The resolver answers, and each answer passes the gateway.
fn answer(ground: &Ground, exchanges: &[Exchange], before: &Tally) -> Result<()> {
    for exchange in exchanges {
        ground.answer(exchange)?;
    }
    let passed = ground.wait_for(before.messages + exchanges.len() as u64)?;
    ensure!(
        passed.of("share-exceeded") == 0,
        "a query was beyond its client's share: the drill asks too fast"
    );
    ensure!(
        passed.of("new-share-exceeded") == 0,
        "an address was beyond its client's share: the drill teaches too many"
    );
    Ok(())
}

/// The next address that nobody had: of 198.18.0.0/15, for measurements (RFC 2544).
fn next_address(given: &mut u32) -> IpAddr {
    const FIRST: u32 = 0xc612_0001;
    *given += 1;
    std::net::Ipv4Addr::from_bits(FIRST + *given).into()
}
