//! `feed diff`: what the candidate would change, and what of that is in use.

use std::{cmp::Reverse, fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use jiff::{Span, Zoned};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Which, quarantine::Used};
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    feed::{
        difference::{Difference, Line, SetDifference},
        settings::Settings,
        standing::Feeds,
        store::Folder,
        traffic::{Origin, Traffic},
        version::Version,
    },
    schema::Kind,
    state::StateDir,
};

/// What the candidate would change.
#[derive(Debug, Args)]
pub struct Diff {
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Tell what used the sets from which something goes
    #[arg(long)]
    against_traffic: bool,
    /// Days that count for --against-traffic
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..=14))]
    days: u8,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.feed-diff/1", "egress-ctl feed diff --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    source: String,
    /// Of what is approved.
    approved: Option<Version>,
    /// Of what waits; none where nothing does.
    candidate: Option<Version>,
    waits: Vec<String>,
    changes: Vec<Line>,
    /// Where the change records do not lead to the answer.
    disagreements: Vec<String>,
    /// None where it was not asked for.
    traffic: Option<Vec<Use>>,
}

/// What used something that goes.
#[derive(JsonSchema, Serialize)]
struct Use {
    #[serde(flatten)]
    traffic: Traffic,
    /// What goes of the set.
    removes: Vec<String>,
    days: u8,
}

impl Diff {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let settings = self.which.settings(places, self.source.as_deref())?;
        let days = self.against_traffic.then_some(self.days);
        let report = Report::read(places, &settings, days)?;
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text(self.days))?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Report {
    /// What the candidate would change; and, of so many days, what used that.
    ///
    /// # Errors
    /// The files of the feed cannot be used.
    pub(crate) fn read(places: &Places, settings: &Settings, days: Option<u8>) -> Result<Self> {
        let folder = Folder::of(&places.state_dir, &settings.source);
        let state = folder.read()?.state;
        let newest = StateDir(&places.state_dir).newest().ok().flatten();
        let in_force = newest.map(|snapshot| snapshot.feeds).unwrap_or_default();
        let (_, approved) = Feeds::approved(&places.state_dir, in_force).edition(settings)?;
        let mut report = Self {
            schema: KIND.name,
            source: settings.source.clone(),
            approved: approved.version.clone(),
            candidate: None,
            waits: Vec::new(),
            changes: Vec::new(),
            disagreements: state
                .published
                .map(|one| one.disagreements)
                .unwrap_or_default(),
            traffic: None,
        };
        if let Some(waiting) = state.candidate {
            let candidate = folder
                .edition(&waiting.blob)?
                .restricted(&settings.question);
            let records = folder.records(waiting.records.as_ref())?;
            let difference = Difference::between(&approved, &candidate, &records);
            report.changes = difference.lines();
            report.traffic =
                days.map(|days| uses(days, settings, &Used::read(places), &difference));
            report.candidate = Some(waiting.version);
            report.waits = waiting.waits;
        }
        Ok(report)
    }
}

/// What used the sets that lose something, most first.
fn uses(days: u8, settings: &Settings, used: &Used, difference: &Difference) -> Vec<Use> {
    let before = Span::new().days(i64::from(days) - 1);
    let first = Zoned::now().date().saturating_sub(before);
    let used = used.since(first).into_iter();
    let losers = difference.sets.iter().filter(|set| !set.removed.is_empty());
    let losers: Vec<&SetDifference> = losers.collect();
    let mut all: Vec<Use> = used
        .filter_map(|traffic| {
            let is_of = |set: &&&SetDifference| is_of(&traffic, &settings.source, set.id);
            let removed = losers.iter().find(is_of)?.removed.iter();
            let entries: Vec<_> = removed.clone().map(|one| one.piece.entry.clone()).collect();
            traffic.concerns(&entries).then(|| Use {
                removes: removed.map(|one| one.piece.to_string()).collect(),
                days,
                traffic,
            })
        })
        .collect();
    all.sort_by_key(|one| Reverse(one.traffic.packets));
    all
}

/// Whether it was counted for the set of this id, or for a part of it.
fn is_of(traffic: &Traffic, source: &str, id: u32) -> bool {
    let rest = traffic.set.strip_prefix(&format!("{source}:{id}"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Report {
    fn text(&self, days: u8) -> String {
        let mut text = String::new();
        let mut line = |line: &dyn std::fmt::Display| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{line}");
        };
        match &self.candidate {
            Some(version) => line(&format!(
                "{}: version {version}, of which {} wait",
                self.source,
                self.waits.join(" and ")
            )),
            None => line(&format!("{}: nothing waits", self.source)),
        }
        for change in &self.changes {
            line(change);
        }
        if !self.disagreements.is_empty() {
            line(&"the answer and the published change records differ:");
        }
        for told in &self.disagreements {
            line(&format!("  {told}"));
        }
        if let Some(traffic) = &self.traffic {
            line(&format!(
                "what used the sets that lose something, in the last {days} days:"
            ));
            for one in traffic {
                line(&format!("  {}", one.text()));
            }
            if traffic.is_empty() {
                line(&"  nothing");
            }
        }
        text
    }
}

impl Use {
    fn text(&self) -> String {
        let Traffic {
            what,
            set,
            group,
            packets,
            bytes,
        } = &self.traffic;
        let through = match what {
            Origin::Set => String::new(),
            Origin::Prefix(what) | Origin::Name(what) => format!(" through {what}"),
        };
        let from = group.as_ref().map(|group| format!(" from group {group}"));
        let from = from.unwrap_or_default();
        let removes = self.removes.join("; ");
        format!("{set}{through}{from}: {packets} packets, {bytes} bytes; it loses {removes}")
    }
}
