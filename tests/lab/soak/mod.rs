//! The soak: a gateway under mixed traffic while everything around it changes and fails. In goes how long; out
//! comes what was thrown at it, and what it may not have done.
//!
//! Daemons are killed in the first half. The second one belongs to one daemon, which may not grow.

mod arrivals;
mod ask;
mod connect;
mod datagram;
mod fault;
mod flood;
mod ground;
mod ledger;
mod shared;
mod stream;
mod threads;
mod watch;
mod way;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use fastrand::Rng;
use serde::Serialize;

use self::fault::Fault;
use self::flood::Flood;
use self::ground::Ground;
pub use self::ledger::Tallied;
use self::threads::Threads;
use self::watch::Watch;
pub use self::watch::{Sample, Violation};
use self::way::{PORT, WRONG_PORT, Way};
use crate::address::CLIENT;
use crate::flow::Family;
use crate::host::Host;
use crate::interrupt;
use crate::pace;
use crate::raw::Raw;

/// Traffic before the first fault and behind the last.
const STEADY: Duration = Duration::from_millis(500);
/// Between two faults.
const BETWEEN: Duration = Duration::from_millis(700);

/// What came of a soak.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The form of this report.
    pub schema: &'static str,
    /// How long it took.
    pub milliseconds: u64,
    /// What was thrown at the gateway, and how often.
    pub thrown: Vec<(String, u64)>,
    /// What could not be, and why.
    pub skipped: Vec<(&'static str, &'static str)>,
    /// Counters beside what was sent.
    pub tallied: Vec<Tallied>,
    /// When faults happened.
    pub faults: Vec<Happened>,
    /// What was seen over time.
    pub samples: Vec<Sample>,
    /// What must not be.
    pub violations: Vec<Violation>,
    /// Whether there is nothing of that.
    pub passed: bool,
}

/// A fault that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// Since the beginning.
    pub at_ms: u64,
    /// Until everything had to be as before.
    pub until_ms: u64,
    /// What.
    pub what: &'static str,
}

/// Runs a soak of about this length; the seed decides on the order of faults.
pub fn run(length: Duration, seed: u64) -> Result<Report> {
    let mut ground = Ground::prepare()?;
    let mut threads = Threads::new();
    let before = ground.egress.settled()?;
    let mut watch = Watch::begin(before.clone());
    start(&ground, &mut threads)?;
    let mut schedule = Schedule::new(length, seed);
    let faults = schedule.run(&mut ground, &threads, &mut watch)?;

    threads.hush();
    interrupt::sleep(STEADY * if pace::is_slow() { 6 } else { 1 })?;
    threads.end()?;
    let after = watch.end(&ground, &threads.shared, &before)?;
    let shared = &threads.shared;
    let datagrams = Way::ALL.map(|way| (format!("datagrams to {}", way.name()), shared.sent(way)));
    let thrown = shared.thrown().into_iter();
    let thrown = thrown.map(|(what, count)| (what.to_owned(), count));
    let mut happened = BTreeMap::new();
    for one in &faults {
        *happened.entry(one.what).or_insert(0) += 1;
    }
    let happened = happened.into_iter();
    let happened = happened.map(|(what, count)| (what.to_owned(), count));
    let obstacles = Fault::ALL.into_iter();
    Ok(Report {
        schema: "egress.soak/1",
        milliseconds: watch.now_ms(),
        thrown: happened.chain(thrown).chain(datagrams).collect(),
        skipped: obstacles
            .filter_map(|fault| Some((fault.name(), fault.obstacle()?)))
            .collect(),
        tallied: shared.ledger.tally(&before, &after),
        faults,
        passed: watch.violations.is_empty(),
        samples: watch.samples,
        violations: watch.violations,
    })
}

/// Starts all traffic, receivers first.
fn start(ground: &Ground, threads: &mut Threads) -> Result<()> {
    let (client, internet) = (&ground.site.lab.client, &ground.site.lab.internet);
    for (name, port) in [("datagrams", PORT), ("denied datagrams", WRONG_PORT)] {
        let socket = internet.run(|| stream::receiver(port))??;
        threads.start(name, internet, move |shared| {
            stream::receive(shared, &socket)
        });
    }
    sinks(threads, client, internet)?;
    threads.start("the stream", client, stream::send);
    threads.start("questions", client, ask::ask);
    threads.start("connections", client, connect::connect);
    for flood in Flood::ALL {
        let host = flood.host(client, internet);
        let raw = Raw::open(host, Family::Ipv4)?;
        threads.start(flood.name(), host, move |shared| flood.run(shared, &raw));
    }
    Ok(())
}

/// Whoever gets floods takes them in, so that nobody complains to who did not send them.
fn sinks(threads: &mut Threads, client: &Host, internet: &Host) -> Result<()> {
    let places = [
        ("forged answers", client, CLIENT.v4.into(), flood::LISTENER),
        ("queries", internet, flood::RESOLVER.into(), 53),
    ];
    for (name, host, address, port) in places {
        let socket = flood::sink(host, address, port)?;
        threads.start(name, host, move |shared| stream::receive(shared, &socket));
    }
    Ok(())
}

/// Which fault comes when.
struct Schedule {
    began: Instant,
    length: Duration,
    random: Rng,
    /// Faults that come before any of them comes again.
    deck: Vec<Fault>,
}

impl Schedule {
    fn new(length: Duration, seed: u64) -> Self {
        Self {
            began: Instant::now(),
            length,
            random: Rng::with_seed(seed),
            deck: Vec::new(),
        }
    }

    /// Lets faults happen until the time is over, and watches.
    fn run(
        &mut self,
        ground: &mut Ground,
        threads: &Threads,
        watch: &mut Watch,
    ) -> Result<Vec<Happened>> {
        let shared = &threads.shared;
        let mut happened = Vec::new();
        interrupt::sleep(STEADY)?;
        watch.look(ground, shared)?;
        while self.began.elapsed() < self.length {
            let fault = self.next();
            let at_ms = watch.now_ms();
            let outcome = fault.happen(ground, shared);
            interrupt::check()?;
            happened.push(Happened {
                at_ms,
                until_ms: watch.now_ms(),
                what: fault.name(),
            });
            if let Err(error) = outcome {
                let log = ground.egress.log();
                watch.complain("a fault that did not end well", format!("{error:#}\n{log}"));
                return Ok(happened);
            }
            if fault.kills() {
                watch.renew_daemon();
            }
            interrupt::sleep(BETWEEN)?;
            watch.look(ground, shared)?;
        }
        Ok(happened)
    }

    fn next(&mut self) -> Fault {
        let may_kill = self.began.elapsed() < self.length / 2;
        loop {
            if self.deck.is_empty() {
                let possible = Fault::ALL.into_iter();
                self.deck = possible
                    .filter(|fault| fault.obstacle().is_none())
                    .collect();
                self.random.shuffle(&mut self.deck);
            }
            if let Some(fault) = self.deck.pop()
                && (may_kill || !fault.kills())
            {
                return fault;
            }
        }
    }
}
