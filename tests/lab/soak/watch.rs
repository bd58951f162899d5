//! The invariants, looked at all the time: what threads, counters and processes say goes in, violations and
//! samples for the plot come out.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use super::ground::Ground;
use super::shared::Shared;
use super::way::Way;
use crate::pace;
use crate::status::{Action, Status};
use crate::usage;

/// Of the last daemon: from its start to where its use is the measure, and what it may take more later on.
const SETTLING: Duration = Duration::from_secs(3);
const MORE_KIB: u64 = 8 << 10;
const MORE_DESCRIPTORS: u64 = 8;

/// What was seen at one time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Since the beginning.
    pub at_ms: u64,
    /// Datagrams that had to arrive.
    pub sent: u64,
    /// Those of them that did.
    pub arrived: u64,
    /// Packets that the filter dropped.
    pub dropped: u64,
    /// Learned addresses.
    pub learned: u64,
    /// Memory of the daemon's own.
    pub memory_kib: u64,
    /// Descriptors that the daemon has open.
    pub descriptors: u64,
    /// How many daemons there were before it.
    pub daemon: u32,
}

/// Something that must not be.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Since the beginning.
    pub at_ms: u64,
    /// What.
    pub what: String,
    /// What shows it.
    pub evidence: String,
}

/// Everything seen so far.
#[derive(Debug)]
pub struct Watch {
    began: Instant,
    last: Status,
    daemon: u32,
    pub samples: Vec<Sample>,
    pub violations: Vec<Violation>,
}

impl Watch {
    /// Begins with a status before any traffic.
    pub fn begin(before: Status) -> Self {
        Self {
            began: Instant::now(),
            last: before,
            daemon: 0,
            samples: Vec::new(),
            violations: Vec::new(),
        }
    }

    /// Since the beginning.
    pub fn now_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }

    /// There is another daemon.
    pub fn renew_daemon(&mut self) {
        self.daemon += 1;
    }

    /// Tells of something that must not be.
    pub fn complain(&mut self, what: &str, evidence: String) {
        self.complain_of(Instant::now(), what, evidence);
    }

    /// Looks once.
    pub fn look(&mut self, ground: &Ground, shared: &Shared) -> Result<()> {
        let now = ground.egress.status()?;
        for what in now.fallen_since(&self.last) {
            self.complain("a lost counter", what);
        }
        self.last = now;
        self.look_at_arrivals(shared, patience());
        let process = ground.egress.id();
        let dropped = [Action::Drop, Action::Reject];
        let sample = Sample {
            at_ms: self.now_ms(),
            sent: shared.all_numbered(),
            arrived: shared.arrivals().arrived(),
            dropped: dropped.map(|action| self.last.total(action)).iter().sum(),
            learned: self.last.learned.addresses,
            memory_kib: usage::memory(process)?.anonymous,
            descriptors: descriptors(process)?,
            daemon: self.daemon,
        };
        self.samples.push(sample);
        Ok(())
    }

    /// Looks at what arrived and what did not.
    pub fn look_at_arrivals(&mut self, shared: &Shared, patience: Duration) {
        let (leaked, missing) = {
            let mut arrivals = shared.arrivals();
            (
                arrivals.leaked(),
                arrivals.missing(patience, Instant::now()),
            )
        };
        for (at, way) in leaked {
            self.complain_of(at, "a denied packet passed", way.name().to_owned());
        }
        for gone in missing {
            let (way, first, count) = (gone.way.name(), gone.first, gone.count);
            let evidence = format!("{count} to {way}, from number {first} on");
            self.complain_of(gone.since, "an allowed packet was dropped", evidence);
        }
        for (at, complaint) in shared.complaints() {
            self.complain_of(at, "a client was hurt", complaint);
        }
    }

    /// Looks for the last time, when everything has arrived that will.
    pub fn end(&mut self, ground: &Ground, shared: &Shared, before: &Status) -> Result<Status> {
        let sent = |way: Way| shared.numbered(way);
        shared.arrivals().cut_off(sent, Instant::now());
        self.look_at_arrivals(shared, Duration::ZERO);
        let after = ground.egress.settled()?;
        for tallied in shared.ledger.tally(before, &after) {
            if !tallied.holds() {
                let evidence = format!("{tallied:?}");
                self.complain("a counter that does not sum up to what was sent", evidence);
            }
        }
        self.look_at_growth();
        Ok(after)
    }

    /// Compares what the last daemon takes in the end with what it took when it had settled.
    fn look_at_growth(&mut self) {
        let own = self.samples.iter().filter(|one| one.daemon == self.daemon);
        let own: Vec<Sample> = own.copied().collect();
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            return;
        };
        let settled = first.at_ms + ms(SETTLING);
        let Some(settled) = own.iter().find(|one| one.at_ms >= settled) else {
            return;
        };
        for (what, then, now, more) in [
            (
                "growing memory",
                settled.memory_kib,
                last.memory_kib,
                MORE_KIB,
            ),
            (
                "growing descriptors",
                settled.descriptors,
                last.descriptors,
                MORE_DESCRIPTORS,
            ),
        ] {
            if now > then + more {
                let (from, to) = (settled.at_ms, last.at_ms);
                self.complain(what, format!("{then} at {from} ms, {now} at {to} ms"));
            }
        }
    }

    fn complain_of(&mut self, at: Instant, what: &str, evidence: String) {
        self.violations.push(Violation {
            at_ms: ms(at.duration_since(self.began)),
            what: what.to_owned(),
            evidence,
        });
    }
}

/// How long something may be on its way.
fn patience() -> Duration {
    Duration::from_secs(if pace::is_slow() { 10 } else { 2 })
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn descriptors(process: u32) -> Result<u64> {
    let path = format!("/proc/{process}/fd");
    let entries = fs::read_dir(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(entries.count() as u64)
}
