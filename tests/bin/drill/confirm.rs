//! `drill confirm`: enforcing that nobody confirms is over on time, whatever becomes of daemon and clock; and
//! what is confirmed stays.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Args;
use egress_ctl::dataplane::boot_ms;
use lab::clock::Moved;
use lab::config;
use lab::gateway::Egress;
use lab::host::Life;
use lab::interrupt;
use lab::site::Site;
use lab::topology::Lab;
use lab::zone::Zone;
use serde::Serialize;
use serde_json::Value;

use super::Report;
use crate::stream::{Arrived, Seen, Stream, Target};

const SETS: &str = r#"[[source.lab.set]]
id = 1
ips = ["203.0.113.0/24"]
udpPorts = "4500"
"#;
const TARGET: Target = Target {
    address: Ipv4Addr::new(203, 0, 113, 5),
    allowed: 4500,
    denied: 4501,
};
/// How long before the deadline something happens to the daemon.
const BEFORE: Duration = Duration::from_millis(1_000);
/// How long behind the deadline packets are still looked at.
const BEHIND: Duration = Duration::from_millis(1_500);
/// How late a packet may be on its way, in ms.
const LATE_MS: u64 = 100;

#[derive(Args)]
pub(crate) struct Options {
    /// Seconds to confirm within
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(3..=3600))]
    within: u64,
    /// Set this machine's clock back by an hour for one round, and ahead again behind it
    #[arg(long)]
    set_clock: bool,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct ConfirmReport {
    schema: &'static str,
    drill: &'static str,
    within: u64,
    rounds: Vec<Round>,
    passed: bool,
}

/// What happens before the deadline.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Event {
    Nothing,
    DaemonKilled,
    DaemonRestarted,
    ClockSetBack,
    Confirmed,
    RestartedAndConfirmed,
    BypassedWithoutDaemon,
}

/// What became of packets that the policy does not allow.
#[derive(Serialize)]
struct Round {
    event: Event,
    skipped: bool,
    /// Sent before the command, while what it asked for held, and behind the deadline; and how many arrived.
    before: Arrived,
    during: Arrived,
    behind: Arrived,
    /// The same of packets that it allows, all the time.
    allowed: Arrived,
    /// How many ms behind the deadline the first one was sent to which the other mode applied.
    late_ms: Option<i64>,
    held: bool,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let site = Site::start(Life::Bound, &Zone::new(), &[])?;
    let drill = Drill {
        lab: &site.lab,
        within: options.within,
        set_clock: options.set_clock,
    };
    let rounds = Event::ALL.into_iter().map(|event| drill.round(event));
    let rounds = rounds.collect::<Result<Vec<_>>>()?;
    let report = ConfirmReport {
        schema: "egress.drill/1",
        drill: "confirm",
        within: options.within,
        passed: rounds.iter().all(|round| round.held || round.skipped),
        rounds,
    };
    super::print(&report, options.json)?;
    Ok(report.passed)
}

struct Drill<'a> {
    lab: &'a Lab,
    within: u64,
    set_clock: bool,
}

impl Event {
    const ALL: [Self; 7] = [
        Self::Nothing,
        Self::DaemonKilled,
        Self::DaemonRestarted,
        Self::ClockSetBack,
        Self::Confirmed,
        Self::RestartedAndConfirmed,
        Self::BypassedWithoutDaemon,
    ];

    fn text(self) -> &'static str {
        match self {
            Self::Nothing => "nobody confirms",
            Self::DaemonKilled => "the daemon is killed",
            Self::DaemonRestarted => "killed, and started again",
            Self::ClockSetBack => "the clock is set back",
            Self::Confirmed => "confirmed",
            Self::RestartedAndConfirmed => "started again, confirmed",
            Self::BypassedWithoutDaemon => "a bypass, the daemon killed",
        }
    }

    /// Whether packets that are not allowed are to pass: before, while it holds, and behind the deadline.
    fn passes(self) -> [bool; 3] {
        match self {
            Self::Confirmed | Self::RestartedAndConfirmed => [true, false, false],
            Self::BypassedWithoutDaemon => [false, true, false],
            _ => [true, false, true],
        }
    }
}

impl Drill<'_> {
    fn round(&self, event: Event) -> Result<Round> {
        if event == Event::ClockSetBack && !self.set_clock {
            return Ok(Round::skipped(event));
        }
        let enforce = config::custom(SETS);
        let audit = enforce.replace("\"enforce\"", "\"audit\"");
        let [passes_before, ..] = event.passes();
        let config = if passes_before { &audit } else { &enforce };
        let mut egress = Egress::start(self.lab, config)?;
        let stream = Stream::start(&self.lab.client, &self.lab.internet, TARGET)?;
        interrupt::sleep(BEFORE)?;
        let asked = boot_ms();
        let (from, until) = self.begin(&egress, event)?;
        wait_until(until.saturating_sub(BEFORE.as_millis() as u64))?;
        let _clock = self.happen(event, &mut egress, config)?;
        wait_until(until)?;
        interrupt::sleep(BEHIND)?;
        let seen = stream.end()?;
        Ok(Round::of(event, &seen, [asked, from, until]))
    }

    /// Begins what ends by itself; when it began to hold, and when it ends, in boot-time ms.
    fn begin(&self, egress: &Egress, event: Event) -> Result<(u64, u64)> {
        let within = format!("{}s", self.within);
        let (arguments, file) = match event {
            Event::BypassedWithoutDaemon => {
                (["bypass", "on", "--for", &within].to_vec(), "bypass.json")
            }
            _ => (
                ["enforce", "--confirm-within", &within].to_vec(),
                "trial.json",
            ),
        };
        order(egress, &arguments)?;
        let from = boot_ms();
        let noted = fs::read(self.lab.path("state").join(file))?;
        let noted: Value = serde_json::from_slice(&noted)?;
        let deadline = match event {
            Event::BypassedWithoutDaemon => &noted["ends"],
            _ => &noted["deadline"],
        };
        let until = deadline["boot_ms"].as_u64();
        Ok((from, until.context("no deadline is noted")?))
    }

    fn happen(&self, event: Event, egress: &mut Egress, config: &str) -> Result<Option<Moved>> {
        match event {
            Event::Nothing => {}
            Event::DaemonKilled | Event::BypassedWithoutDaemon => egress.kill()?,
            Event::DaemonRestarted => {
                egress.kill()?;
                *egress = Egress::start(self.lab, config)?;
            }
            Event::ClockSetBack => return Moved::back(Duration::from_secs(3600)).map(Some),
            Event::Confirmed => order(egress, &["confirm"])?,
            Event::RestartedAndConfirmed => {
                egress.kill()?;
                *egress = Egress::start(self.lab, config)?;
                order(egress, &["confirm"])?;
            }
        }
        Ok(None)
    }
}

fn order(egress: &Egress, arguments: &[&str]) -> Result<()> {
    let output = egress.command(arguments).output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments:?}: {complaint}");
    Ok(())
}

fn wait_until(ms: u64) -> Result<()> {
    let left = ms.saturating_sub(boot_ms());
    Ok(interrupt::sleep(Duration::from_millis(left))?)
}

impl Round {
    fn skipped(event: Event) -> Self {
        Self {
            event,
            skipped: true,
            before: Arrived::default(),
            during: Arrived::default(),
            behind: Arrived::default(),
            allowed: Arrived::default(),
            late_ms: None,
            held: false,
        }
    }

    fn of(event: Event, seen: &Seen, [asked, from, until]: [u64; 3]) -> Self {
        let [passes_before, passes_during, passes_behind] = event.passes();
        // What was sent while the command ran, or at the deadline, may fare either way.
        let before = seen.denied(0, asked);
        let during = seen.denied(from, until.saturating_sub(1));
        let behind = seen.denied(until + LATE_MS, u64::MAX);
        let allowed = seen.allowed();
        let late_ms = match passes_during == passes_behind {
            true => None,
            false => seen.first_denied(until.saturating_sub(LATE_MS), passes_behind),
        };
        let late_ms = late_ms.map(|at| at as i64 - until as i64);
        let is_in_time = match passes_during == passes_behind {
            true => true,
            false => late_ms.is_some_and(|late| late.unsigned_abs() <= LATE_MS),
        };
        let held = before.all(passes_before)
            && during.all(passes_during)
            && behind.all(passes_behind)
            && allowed.all(true)
            && is_in_time;
        Self {
            event,
            skipped: false,
            before,
            during,
            behind,
            allowed,
            late_ms,
            held,
        }
    }

    fn text(&self) -> String {
        if self.skipped {
            return "skipped: --set-clock lets it touch this machine's clock".to_owned();
        }
        let Self {
            before,
            during,
            behind,
            allowed,
            ..
        } = self;
        let held = if self.held { "held" } else { "FAILED" };
        let late = match self.late_ms {
            Some(late) => format!("; {late} ms behind the deadline"),
            None => String::new(),
        };
        format!(
            "{held}: not allowed {before} before, {during} during, {behind} behind{late}; allowed {allowed}"
        )
    }
}

impl Report for ConfirmReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let rounds = self.rounds.iter();
        rounds
            .map(|round| (round.event.text(), round.text()))
            .collect()
    }
}
