//! DNS answers past LAN egress, each asked for and learned from: they differ by their ids.
//!
//! An answer counts once, and only if it was asked for. So before each run a query is noted for every id, as
//! LAN ingress would have done; the daemon's part, to take what was learned out of the ring buffer, is done as
//! well. Neither is measured.

use std::net::Ipv4Addr;

use anyhow::{Context as _, Result, ensure};
use egress_common::dns::Outcome;
use egress_common::dns::asked::{Query, QueryKey};
use egress_ctl::dataplane::boot_ms;
use lab::answer::Answer;
use lab::frame::{Frame, Transport};
use lab::kernel::{self, Kernel};

use super::super::catalogue::own;
use super::super::effort::Effort;
use super::super::feeder::{Feeder, Program, TC_ACT_UNSPEC, Values};
use super::super::measure::Subject;
use super::query::{ID, PORT};
use super::{CLIENT_V4, Frames};

pub(super) const CNAME_4A: &str = "DNS answer: 4 A with CNAME";
const TTL: u32 = 300;
const DNS: u16 = 53;
/// Queries noted at a time; what is learned from so many fits into the ring buffer.
const AT_ONCE: u16 = 1024;

/// The program at LAN egress, for each kind of answer.
pub(super) fn subjects<'a>(kernel: &mut Kernel, effort: Effort) -> Result<Vec<Subject<'a>>> {
    let kinds = [
        ("DNS answer: 1 A", answer("www.bench.example", 0, 1)),
        (CNAME_4A, answer("www.bench.example", 1, 4)),
        (
            "DNS answer: 8 A with 5 CNAME, 124-character name",
            answer(&long_name(), 5, 8),
        ),
    ];
    let subjects = kinds
        .into_iter()
        .map(|(name, answer)| subject(name, &answer, kernel, effort));
    subjects.collect()
}

fn subject<'a>(
    name: &'static str,
    answer: &Answer,
    kernel: &mut Kernel,
    effort: Effort,
) -> Result<Subject<'a>> {
    let frame = frame(answer);
    let noted = noted(kernel, &frame)?;
    let program = kernel.egress()?.fd()?.try_clone()?;
    let frames = Frames {
        frame,
        values: Values::of(ID, (0..AT_ONCE).map(u16::to_be_bytes)),
    };
    let mut feeder = frames.feed(&Program::Tc(&program))?;
    let mut queries = kernel.pinned().queries()?;
    let mut lessons = kernel.pinned().lessons()?;
    let mut once = move || -> Result<f64> {
        let (key, query) = noted;
        let query = Query {
            at_ms: boot_ms(),
            ..query
        };
        for id in 0..AT_ONCE {
            queries.insert(&QueryKey { id, ..key }, &query, 0)?;
        }
        let took = nanoseconds(&mut feeder)?;
        while lessons.next().is_some() {}
        Ok(took)
    };
    let learned = || learned(kernel);
    let before = learned()?;
    once()?;
    let taught = learned()? - before;
    ensure!(
        taught > 0 && taught % u64::from(AT_ONCE) == 0,
        "{name} taught {taught} times"
    );
    let runs = (effort.time().as_micros() / 2000).max(1) as u32;
    Ok(Subject::new(name, move || {
        let all: Result<f64> = (0..runs).map(|_| once()).sum();
        Ok(all? / f64::from(runs))
    }))
}

fn nanoseconds(feeder: &mut Feeder) -> Result<f64> {
    feeder.nanoseconds(AT_ONCE.into(), TC_ACT_UNSPEC)
}

/// Messages that taught.
fn learned(kernel: &Kernel) -> Result<u64> {
    let counted = kernel.pinned().dns()?.get(&(Outcome::Learned as u32), 0)?;
    Ok(counted.iter().sum())
}

/// What LAN ingress notes of the query that a frame answers.
fn noted(kernel: &mut Kernel, frame: &[u8]) -> Result<(QueryKey, Query)> {
    let mut queries = kernel.pinned().queries()?;
    for key in queries.keys().collect::<Result<Vec<_>, _>>()? {
        queries.remove(&key)?;
    }
    let query = kernel::query(frame).context("no answer that can be read")?;
    kernel.ask_resolver(&query)?;
    let noted = queries.iter().next().context("no query was noted")?;
    Ok(noted?)
}

fn frame(answer: &Answer) -> Vec<u8> {
    let [gateway] = own();
    let datagram = Transport::Udp(DNS, PORT, answer.to_bytes());
    Frame::new(gateway, CLIENT_V4.into(), datagram).to_bytes()
}

/// An answer to a name through so many aliases, with so many addresses.
fn answer(name: &str, aliases: u8, addresses: u8) -> Answer {
    let aliased = (0..aliases).fold(Answer::to(name), |answer, i| {
        answer.alias(&format!("alias{i}.cdn.example.net"), TTL)
    });
    (0..addresses).fold(aliased, |answer, i| {
        answer.address(&Ipv4Addr::new(198, 51, 100, i).to_string(), TTL)
    })
}

/// A name of 124 characters.
fn long_name() -> String {
    let (long, longer) = ("a".repeat(46), "b".repeat(63));
    format!("{long}.{longer}.bench.example")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_name_is_long() {
        assert_eq!(long_name().len(), 124);
    }
}
