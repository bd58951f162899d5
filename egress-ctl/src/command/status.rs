//! `egress-ctl status`: what is enforced, and what was counted. Works with and without a daemon.

mod daemon;
mod forward;
mod interface;
pub(crate) mod lever;
mod state;

use std::{collections::BTreeMap, fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use self::{
    daemon::{Daemon, History},
    forward::FastPaths,
    interface::{Interface, interfaces, unfiltered},
    lever::{Bypass, Trial},
    state::{State, findings},
};
use super::{
    force::snapshot,
    output::{complain, print, print_json},
    table::table,
};
use crate::{
    daemon::Places,
    dataplane::{
        counters::{self, Counted, OfSet},
        events,
        maps::Pinned,
    },
    doctor::finding::{Finding, Outcome, worst},
    proxy::Told,
    schema::Kind,
    state::Snapshot,
};
use egress_common::{
    limits,
    verdict::{Action, Counter, Reason},
};

/// Show whether all is well, mode, interfaces, generation and counters.
///
/// Exits as monitoring plugins do: 0 where it is ready, 1 with warnings (no daemon, one that does not answer, a trial,
/// an interface that is waited for or goes past the filter), 2 where it does not filter as it should (the bypass is on,
/// an interface is not judged or learned from), 3 where nothing is loaded or can be read. Words that it does not know
/// exit with 64.
#[derive(Args)]
pub struct Status {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.status/1", "egress-ctl status --json");

/// What `--json` prints; counts are since the maps were made.
#[derive(JsonSchema, Serialize)]
pub(super) struct Report {
    schema: &'static str,
    /// The worst of the findings, which the exit code tells.
    worst: Outcome,
    findings: Vec<Finding>,
    mode: String,
    /// While nothing is dropped.
    bypass: Option<Bypass>,
    /// What waits to be confirmed, or was not.
    trial: Option<Trial>,
    daemon: Daemon,
    /// Process id of whoever watches events.
    watcher: Option<u64>,
    /// Events that the daemon holds; none where it holds none, or is not there to say it.
    history: Option<History>,
    interfaces: Vec<Interface>,
    fast_path: FastPaths,
    generation: Generation,
    learned: Learned,
    verdicts: Vec<VerdictCount>,
    groups: Vec<GroupCount>,
    sets: Vec<SetCount>,
    dns: Vec<DnsCount>,
    dns_tcp: Told,
    events: Vec<EventCount>,
    lessons: Vec<LessonCount>,
    warnings: Vec<String>,
    /// Those of them that are of interfaces past the filter.
    #[serde(skip)]
    unfiltered: Vec<String>,
}

#[derive(JsonSchema, Serialize)]
struct Generation {
    number: u64,
    loaded: Timestamp,
    config: String,
    groups: usize,
    clients: usize,
    prefixes: usize,
    patterns: usize,
    rulesets: usize,
    sets: usize,
}

#[derive(JsonSchema, Serialize)]
struct Learned {
    addresses: usize,
    capacity: u32,
    connections: usize,
    connections_capacity: u32,
}

#[derive(JsonSchema, Serialize)]
struct VerdictCount {
    action: &'static str,
    reason: &'static str,
    packets: u64,
    bytes: u64,
}

/// What packets of one group came to; of none where it has no name.
#[derive(JsonSchema, Serialize)]
struct GroupCount {
    group: Option<String>,
    verdicts: Vec<VerdictCount>,
    replies: Vec<ReplyCount>,
}

/// What came back to a group, by the reason that holds for what it answers.
#[derive(JsonSchema, Serialize)]
struct ReplyCount {
    reason: &'static str,
    packets: u64,
    bytes: u64,
}

/// What clients sent to an endpoint set, and what came back.
#[derive(JsonSchema, Serialize)]
struct SetCount {
    set: String,
    packets: u64,
    bytes: u64,
    reply_packets: u64,
    reply_bytes: u64,
}

#[derive(JsonSchema, Serialize)]
struct DnsCount {
    outcome: &'static str,
    messages: u64,
}

/// Events for `watch`, by what became of them.
#[derive(JsonSchema, Serialize)]
struct EventCount {
    fate: &'static str,
    events: u64,
}

/// DNS messages whose names the daemon is told of, by what became of that.
#[derive(JsonSchema, Serialize)]
struct LessonCount {
    fate: &'static str,
    messages: u64,
}

impl Status {
    /// Runs the command; the exit code tells how it is.
    pub fn run(self, places: &Places) -> ExitCode {
        match self.report(places) {
            Ok(worst) => ExitCode::from(worst.code()),
            Err(fault) => {
                complain(format_args!("{fault:#}"));
                ExitCode::from(UNKNOWN)
            }
        }
    }

    fn report(&self, places: &Places) -> Result<Outcome> {
        let report = report(places)?;
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text())?,
        }
        Ok(report.worst)
    }
}

/// How it is, as `--json` prints it.
///
/// # Errors
/// Nothing is loaded, or maps and state cannot be read.
pub(super) fn report(places: &Places) -> Result<Report> {
    let mut report = Report::read(places)?;
    report.findings = findings(&report);
    report.worst = worst(&report.findings);
    Ok(report)
}

/// Nothing is loaded, or nothing can be read.
const UNKNOWN: u8 = 3;

impl Report {
    fn read(places: &Places) -> Result<Self> {
        let snapshot = snapshot(places)?;
        let pinned = Pinned(&places.pin_dir);
        let (daemon, history) = daemon::look(places);
        let unfiltered = unfiltered(places, &snapshot.summary.lan);
        let named = snapshot
            .ids
            .groups()
            .map(|(name, place)| (Some(name.to_owned()), place));
        let named: Vec<_> = named.chain([(None, 0)]).collect();
        let verdicts = counters::verdicts(pinned, named.clone())?;
        let replies = counters::replies(pinned, named)?;
        Ok(Self {
            schema: KIND.name,
            worst: Outcome::Ok,
            findings: Vec::new(),
            mode: snapshot.summary.mode.clone(),
            bypass: Bypass::now(places)?,
            trial: Trial::known(places),
            watcher: events::holder(pinned),
            history,
            interfaces: interfaces(places, &snapshot.summary.lan)?,
            fast_path: FastPaths::read(places, daemon.running)?,
            learned: Learned {
                addresses: pinned.learned()?.keys().filter(Result::is_ok).count(),
                capacity: limits::LEARNED,
                connections: pinned.flows()?.keys().filter(Result::is_ok).count(),
                connections_capacity: limits::FLOWS,
            },
            verdicts: totals(&verdicts),
            groups: groups(&snapshot, &verdicts, &replies),
            sets: sets(pinned, &snapshot)?,
            dns: dns(pinned)?,
            dns_tcp: dns_tcp(places, daemon.running),
            events: event_counts(pinned)?,
            lessons: lessons(pinned)?,
            generation: Generation::of(&snapshot),
            warnings: [unfiltered.clone(), snapshot.summary.warnings].concat(),
            unfiltered,
            daemon,
        })
    }

    fn text(&self) -> String {
        let mut text = self.head();
        let rows = self.groups.iter().flat_map(|group| {
            group
                .verdicts
                .iter()
                .map(move |verdict| (group.name(), verdict))
        });
        table(
            &mut text,
            &["group", "verdict", "reason", "packets", "bytes"],
            &rows.collect::<Vec<_>>(),
            |(group, v)| {
                [
                    (*group).to_owned(),
                    v.action.to_owned(),
                    v.reason.to_owned(),
                    v.packets.to_string(),
                    v.bytes.to_string(),
                ]
            },
        );
        let rows = self
            .groups
            .iter()
            .flat_map(|group| group.replies.iter().map(move |reply| (group.name(), reply)));
        table(
            &mut text,
            &["replies to", "reason", "packets", "bytes"],
            &rows.collect::<Vec<_>>(),
            |(group, r)| {
                [
                    (*group).to_owned(),
                    r.reason.to_owned(),
                    r.packets.to_string(),
                    r.bytes.to_string(),
                ]
            },
        );
        table(
            &mut text,
            &["endpoint set", "packets", "bytes", "replies", "reply bytes"],
            &self.sets,
            |s| {
                [
                    s.set.clone(),
                    s.packets.to_string(),
                    s.bytes.to_string(),
                    s.reply_packets.to_string(),
                    s.reply_bytes.to_string(),
                ]
            },
        );
        table(&mut text, &["dns answers", "messages"], &self.dns, |d| {
            [d.outcome.into(), d.messages.to_string()]
        });
        table(&mut text, &["dns names", "messages"], &self.lessons, |l| {
            [l.fate.into(), l.messages.to_string()]
        });
        table(
            &mut text,
            &["fast path", "packets"],
            &self.fast_path.packets,
            |f| [f.fate.into(), f.packets.to_string()],
        );
        table(&mut text, &["watched", "events"], &self.events, |e| {
            [e.fate.into(), e.events.to_string()]
        });
        text
    }

    fn head(&self) -> String {
        let Generation {
            number,
            loaded,
            config,
            groups,
            clients,
            prefixes,
            patterns,
            rulesets,
            sets,
        } = &self.generation;
        let mut text = String::new();
        let mut line = |name: &str, value: String| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{name:<11} {value}");
        };
        if let Some(bypass) = &self.bypass {
            line("BYPASS", bypass.to_string());
        }
        if let Some(trial) = &self.trial {
            line(trial.title(), trial.to_string());
        }
        line("state", State(&self.findings).to_string());
        line("mode", self.mode.clone());
        line("daemon", self.daemon.to_string());
        for interface in &self.interfaces {
            line("interface", interface.to_string());
        }
        for note in self.interfaces.iter().flat_map(Interface::notes) {
            line("note", note);
        }
        for fast_path in self.fast_path.lines() {
            line("fast path", fast_path);
        }
        line(
            "generation",
            format!("{number}, loaded {loaded:.0} from {config}"),
        );
        line(
            "policy",
            format!(
                "{groups} groups of {clients} prefixes; {sets} endpoint sets, {prefixes} prefixes, {patterns} patterns, {rulesets} rulesets"
            ),
        );
        line(
            "learned",
            format!(
                "{} of {} addresses, {} of {} connections to them",
                self.learned.addresses,
                self.learned.capacity,
                self.learned.connections,
                self.learned.connections_capacity,
            ),
        );
        line("dns tcp", self.dns_tcp.to_string());
        match (&self.history, self.watcher) {
            (Some(history), _) => line("events", history.to_string()),
            (None, Some(pid)) => line("watched", format!("by process {pid}")),
            (None, None) => {}
        }
        for warning in &self.warnings {
            line("warning", warning.clone());
        }
        text
    }
}

impl Generation {
    fn of(snapshot: &Snapshot) -> Self {
        let summary = &snapshot.summary;
        Self {
            number: snapshot.number,
            loaded: snapshot.loaded,
            config: snapshot.config.display().to_string(),
            groups: summary.groups,
            clients: summary.clients,
            prefixes: summary.prefixes,
            patterns: summary.patterns,
            rulesets: summary.rulesets,
            sets: summary.sets,
        }
    }
}

type Named = (Option<String>, Counted);

/// What the packets of all groups came to.
fn totals(counted: &[Named]) -> Vec<VerdictCount> {
    let mut sums: BTreeMap<(Action, Reason), Counter> = BTreeMap::new();
    for (_, one) in counted {
        let sum = sums.entry((one.action, one.reason)).or_default();
        sum.packets += one.counter.packets;
        sum.bytes += one.counter.bytes;
    }
    let rows = sums.into_iter();
    rows.map(|((action, reason), counter)| VerdictCount {
        action: action.name(),
        reason: reason.name(),
        packets: counter.packets,
        bytes: counter.bytes,
    })
    .collect()
}

impl GroupCount {
    fn name(&self) -> &str {
        self.group.as_deref().unwrap_or("(none)")
    }
}

type Replied = (Option<String>, Reason, Counter);

fn groups(snapshot: &Snapshot, counted: &[Named], replied: &[Replied]) -> Vec<GroupCount> {
    let names = snapshot.ids.groups().map(|(name, _)| Some(name.to_owned()));
    let groups = names.chain([None]).map(|group| {
        let of_group: Vec<_> = counted
            .iter()
            .filter(|(of, _)| *of == group)
            .cloned()
            .collect();
        let replies = replied.iter().filter(|(to, ..)| *to == group);
        let replies = replies.map(|(_, reason, counter)| ReplyCount {
            reason: reason.name(),
            packets: counter.packets,
            bytes: counter.bytes,
        });
        GroupCount {
            verdicts: totals(&of_group),
            replies: replies.collect(),
            group,
        }
    });
    groups
        .filter(|group| !group.verdicts.is_empty() || !group.replies.is_empty())
        .collect()
}

fn sets(pinned: Pinned<'_>, snapshot: &Snapshot) -> Result<Vec<SetCount>> {
    let counted = counters::sets(pinned, snapshot.ids.sets())?.into_iter();
    let row = counted.map(|(key, OfSet { sent, replies })| SetCount {
        set: key.to_owned(),
        packets: sent.packets,
        bytes: sent.bytes,
        reply_packets: replies.packets,
        reply_bytes: replies.bytes,
    });
    Ok(row.collect())
}

fn dns(pinned: Pinned<'_>) -> Result<Vec<DnsCount>> {
    let counted = counters::dns(pinned)?.into_iter();
    let row = counted.map(|(outcome, messages)| DnsCount {
        outcome: outcome.name(),
        messages,
    });
    Ok(row.collect())
}

/// What becomes of DNS over TCP: without a daemon, nobody relays it.
fn dns_tcp(places: &Places, runs: bool) -> Told {
    let told = Told::read(&places.state_dir).unwrap_or_default();
    if runs || !told.active {
        return told;
    }
    told.ended("the daemon does not run")
}

fn event_counts(pinned: Pinned<'_>) -> Result<Vec<EventCount>> {
    let counted = counters::events(pinned)?.into_iter();
    let row = counted.map(|(fate, events)| EventCount {
        fate: fate.name(),
        events,
    });
    Ok(row.collect())
}

fn lessons(pinned: Pinned<'_>) -> Result<Vec<LessonCount>> {
    let counted = counters::lessons(pinned)?.into_iter();
    let row = counted.map(|(fate, messages)| LessonCount {
        fate: fate.name(),
        messages,
    });
    Ok(row.collect())
}
