//! `egress-ctl status`: what is enforced, and what was counted. Works with and without a daemon.

mod forward;
mod interface;
mod lever;

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;

use self::{
    forward::FastPaths,
    interface::{Interface, interfaces, unfiltered},
    lever::{Bypass, Trial},
};
use super::{
    force::snapshot,
    output::{print, print_json},
    table::table,
};
use crate::{
    daemon::{self, Places},
    dataplane::{
        counters::{self, Counted, OfSet},
        events,
        maps::Pinned,
    },
    proxy::Told,
    state::Snapshot,
};
use egress_common::{
    limits,
    verdict::{Action, Counter, Reason},
};

/// Show mode, interfaces, generation and counters.
#[derive(Args)]
pub struct Status {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints; counts are since the maps were made.
#[derive(Serialize)]
struct Report {
    schema: &'static str,
    mode: String,
    /// While nothing is dropped.
    bypass: Option<Bypass>,
    /// What waits to be confirmed, or was not.
    trial: Option<Trial>,
    daemon: Daemon,
    /// Process id of whoever watches events.
    watcher: Option<u64>,
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
}

#[derive(Serialize)]
struct Daemon {
    running: bool,
    pid: Option<u32>,
}

#[derive(Serialize)]
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

#[derive(Serialize)]
struct Learned {
    addresses: usize,
    capacity: u32,
    connections: usize,
    connections_capacity: u32,
}

#[derive(Serialize)]
struct VerdictCount {
    action: &'static str,
    reason: &'static str,
    packets: u64,
    bytes: u64,
}

/// What packets of one group came to; of none where it has no name.
#[derive(Serialize)]
struct GroupCount {
    group: Option<String>,
    verdicts: Vec<VerdictCount>,
    replies: Vec<ReplyCount>,
}

/// What came back to a group, by the reason that holds for what it answers.
#[derive(Serialize)]
struct ReplyCount {
    reason: &'static str,
    packets: u64,
    bytes: u64,
}

/// What clients sent to an endpoint set, and what came back.
#[derive(Serialize)]
struct SetCount {
    set: String,
    packets: u64,
    bytes: u64,
    reply_packets: u64,
    reply_bytes: u64,
}

#[derive(Serialize)]
struct DnsCount {
    outcome: &'static str,
    messages: u64,
}

/// Events for `watch`, by what became of them.
#[derive(Serialize)]
struct EventCount {
    fate: &'static str,
    events: u64,
}

/// DNS messages whose names the daemon is told of, by what became of that.
#[derive(Serialize)]
struct LessonCount {
    fate: &'static str,
    messages: u64,
}

impl Status {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded, or maps and state cannot be read.
    pub fn run(self, places: &Places) -> Result<()> {
        let report = Report::read(places)?;
        if self.json {
            return print_json(&report);
        }
        print(&report.text())
    }
}

impl Report {
    fn read(places: &Places) -> Result<Self> {
        let snapshot = snapshot(places)?;
        let pinned = Pinned(&places.pin_dir);
        let pid = daemon::holder(&places.state_dir);
        let named = snapshot
            .ids
            .groups()
            .map(|(name, place)| (Some(name.to_owned()), place));
        let named: Vec<_> = named.chain([(None, 0)]).collect();
        let verdicts = counters::verdicts(pinned, named.clone())?;
        let replies = counters::replies(pinned, named)?;
        Ok(Self {
            schema: "egress.status/1",
            mode: snapshot.summary.mode.clone(),
            bypass: Bypass::now(places)?,
            trial: Trial::known(places),
            daemon: Daemon {
                running: pid.is_some(),
                pid,
            },
            watcher: events::holder(pinned),
            interfaces: interfaces(places, &snapshot.summary.lan)?,
            fast_path: FastPaths::read(places, pid.is_some())?,
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
            dns_tcp: dns_tcp(places, pid.is_some()),
            events: event_counts(pinned)?,
            lessons: lessons(pinned)?,
            generation: Generation::of(&snapshot),
            warnings: [
                unfiltered(places, &snapshot.summary.lan),
                snapshot.summary.warnings,
            ]
            .concat(),
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
        let daemon = match self.daemon.pid {
            Some(pid) => format!("running, process {pid}"),
            None => "not running; what is attached goes on".to_owned(),
        };
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
        line("mode", self.mode.clone());
        line("daemon", daemon);
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
        if let Some(pid) = self.watcher {
            line("watched", format!("by process {pid}"));
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
