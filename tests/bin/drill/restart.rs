//! `drill restart`: daemons are killed, started again and upgraded under constant traffic that is allowed and
//! traffic that is not. A daemon whose start has a gap drops some of the one, or lets some of the other pass.

mod rounds;
mod stream;
mod way;

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use lab::address::LAN;
use lab::flow::Family;
use lab::gateway::{Egress, program};
use lab::host::Life;
use lab::site::Site;
use lab::status::{Action, Status};
use lab::zone::Zone;
use lab::{config, dns, interrupt, other_build, pins};
use serde::Serialize;

use self::rounds::{Rounds, Told, fresh};
use self::stream::{Arrived, Sent, Stream};
use super::Report;
use super::overflow::overflows;
use super::timing::Timing;

const NAME: &str = "steady.restart.example";
const TTL: u32 = 86_000;
/// Addresses for names of rounds.
const MOST: i64 = 65_000;
/// Traffic before the first kill and after the last start.
const STEADY: Duration = Duration::from_millis(200);
/// Reasons under which what is allowed is counted.
const ALLOWED: [&str; 3] = ["prefix", "learned", "established"];

#[derive(Args)]
pub(crate) struct Options {
    /// How often to kill the daemon and start it again
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=MOST))]
    kills: u32,
    /// How often to kill it and start another build
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=MOST))]
    upgrades: u32,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct RestartReport {
    schema: &'static str,
    drill: &'static str,
    kills: usize,
    upgrades: usize,
    /// Daemons besides that were killed before they were ready.
    killed_while_starting: u32,
    /// From start to ready.
    restart: Timing,
    upgrade: Timing,
    longest_start_us: u128,
    allowed: Flow,
    denied: Flow,
    /// On the wire never, and lost to a full socket.
    sender_refused: u64,
    receiver_overflowed: u64,
    learned_before: u64,
    learned_while_dead: u64,
    learned_after: u64,
    /// Between two datagrams of one way, and between two rounds of the sender.
    longest_gap_us: u128,
    longest_pause_us: u128,
    violations: Vec<String>,
    passed: bool,
}

/// Datagrams of one kind: what left, what arrived, and what the filter counted.
#[derive(Clone, Copy, Serialize)]
struct Flow {
    sent: u64,
    arrived: u64,
    counted: u64,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let rounds = options.kills + options.upgrades;
    let zone = (0..rounds).map(fresh).fold(
        Zone::new().host_v4(NAME, way::LEARNED, TTL),
        |zone, (name, address)| zone.host_v4(&name, address, TTL),
    );
    let site = Site::start(Life::Bound, &zone, &[])?;
    let program = program()?;
    let other = other_build::copy(&program, site.lab.folder())?;
    let config = config::custom(way::SETS);
    let egress = Egress::start(&site.lab, &config)?;
    let (client, internet) = (&site.lab.client, &site.lab.internet);
    client.run(|| dns::resolve(LAN.v4.into(), NAME, Family::Ipv4, Duration::from_secs(5)))??;

    let before = egress.settled()?;
    let overflowed = overflows(internet)?;
    let stream = Stream::start(client, internet)?;
    interrupt::sleep(STEADY)?;
    let mut all = Rounds {
        site: &site,
        stream: &stream,
        config: &config,
        builds: [program, other],
        egress,
        last: before.clone(),
        attached: pins::attached(&site.lab.gateway)?,
        told: Told::default(),
    };
    all.run(options.kills, options.upgrades)?;
    let Rounds { egress, told, .. } = all;
    interrupt::sleep(STEADY)?;
    let (sent, arrived) = stream.end()?;
    let after = egress.settled()?;
    let overflowed = overflows(internet)? - overflowed;

    let report = RestartReport::of(told, [&before, &after], (&sent, &arrived), overflowed);
    super::print(&report, options.json)?;
    Ok(report.passed)
}

impl RestartReport {
    fn of(
        told: Told,
        [before, after]: [&Status; 2],
        (sent, arrived): (&Sent, &Arrived),
        overflowed: u64,
    ) -> Self {
        let Told {
            restarts,
            upgrades,
            killed_early,
            violations,
        } = told;
        let allowed = |status: &Status| -> u64 {
            let reasons = ALLOWED.iter();
            reasons
                .map(|reason| status.packets(Action::Allow, reason))
                .sum()
        };
        let allowed = Flow {
            sent: sent.allowed(),
            arrived: arrived.allowed(),
            counted: allowed(after) - allowed(before),
        };
        let denied = Flow {
            sent: sent.denied(),
            arrived: arrived.denied(),
            counted: after.total(Action::Drop) - before.total(Action::Drop),
        };
        let while_dead = (restarts.len() + upgrades.len()) as u64;
        let learned = [before, after].map(|status| status.learned.addresses);
        let passed = allowed.arrived + overflowed == allowed.sent
            && denied.arrived == 0
            && [allowed, denied].iter().all(Flow::is_counted)
            && learned[0] + while_dead == learned[1]
            && violations.is_empty();
        let starts = restarts.iter().chain(&upgrades);
        Self {
            schema: "egress.drill/1",
            drill: "restart",
            kills: restarts.len(),
            upgrades: upgrades.len(),
            killed_while_starting: killed_early,
            longest_start_us: starts.max().map_or(0, Duration::as_micros),
            restart: Timing::of(restarts.into_iter()),
            upgrade: Timing::of(upgrades.into_iter()),
            allowed,
            denied,
            sender_refused: sent.refused,
            receiver_overflowed: overflowed,
            learned_before: learned[0],
            learned_while_dead: while_dead,
            learned_after: learned[1],
            longest_gap_us: arrived.gap.as_micros(),
            longest_pause_us: sent.pause.as_micros(),
            violations,
            passed,
        }
    }
}

impl Flow {
    /// Whether there were some, and the filter counted each of them.
    fn is_counted(&self) -> bool {
        self.sent > 0 && self.counted == self.sent
    }
}

impl Report for RestartReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let Flow {
            sent,
            arrived,
            counted,
        } = self.allowed;
        let lost = sent - arrived;
        let denied = self.denied;
        let mut lines = vec![
            (
                "killed, and started again",
                format!(
                    "{}, and {} killed while they started",
                    self.kills, self.killed_while_starting
                ),
            ),
            ("upgraded", self.upgrades.to_string()),
            ("from start to ready", self.restart.to_string()),
            ("the same of upgrades", self.upgrade.to_string()),
            ("longest", format!("{} µs", self.longest_start_us)),
            (
                "allowed datagrams",
                format!("{lost} of {sent} dropped; {counted} counted"),
            ),
            (
                "lost to a full receiver",
                self.receiver_overflowed.to_string(),
            ),
            (
                "denied datagrams",
                format!(
                    "{} of {} passed; {} counted",
                    denied.arrived, denied.sent, denied.counted
                ),
            ),
            ("refused by the sender", self.sender_refused.to_string()),
            (
                "learned addresses",
                format!(
                    "{} before, {} learned without a daemon, {} at the end",
                    self.learned_before, self.learned_while_dead, self.learned_after
                ),
            ),
            (
                "longest gap of arrivals",
                format!(
                    "{} µs; the sender paused for {} µs",
                    self.longest_gap_us, self.longest_pause_us
                ),
            ),
        ];
        let violations = self.violations.iter();
        lines.extend(violations.map(|violation| ("VIOLATED", violation.clone())));
        lines
    }
}
