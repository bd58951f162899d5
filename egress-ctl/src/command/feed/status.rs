//! `feed status`: all that is known of the feeds, in one look.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    REFUSED, Which,
    intune::{self, Intune},
    quarantine::{Part, Used, parts},
    takeover::in_force,
};
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    feed::{
        edition::Edition,
        schedule::Schedule,
        standing::{Feed, Feeds},
        state::{Candidate, Generation, Refused},
        store::Folder,
        version::Version,
    },
    schema::Kind,
    state::StateDir,
};

/// When the service was asked, and what became of it.
#[derive(Debug, Args)]
pub struct Status {
    /// One source alone
    source: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.feed-status/1", "egress-ctl feed status --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    feeds: Vec<FeedReport>,
}

#[derive(JsonSchema, Serialize)]
pub(crate) struct FeedReport {
    source: String,
    instance: String,
    service_areas: Vec<String>,
    url: String,
    /// Of what is approved; none of the built-in data.
    version: Option<Version>,
    prefixes: usize,
    names: usize,
    /// None while what egress brings along holds.
    approved: Option<Generation>,
    /// The gateway's generation that was made of it; none where another one is in force.
    in_force: Option<u64>,
    poll: Schedule,
    /// The newest version that was believed.
    published: Option<Version>,
    candidate: Option<Candidate>,
    rejected: Option<Version>,
    quarantine: Vec<Part>,
    refusal: Option<Refused>,
    /// Earlier ones too.
    refusals: Vec<Refused>,
    /// Where the change records do not lead to the answer.
    disagreements: Vec<String>,
    /// What is new in the form of the answer.
    remarks: Vec<String>,
    warnings: Vec<String>,
    mem: Option<Intune>,
}

impl Status {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let feeds = self.which.feeds(places, self.source.as_deref())?;
        let used = Used::read(places);
        let feeds = feeds
            .into_iter()
            .map(|feed| FeedReport::read(places, feed, &used));
        let report = Report {
            schema: KIND.name,
            feeds: feeds.collect::<Result<_>>()?,
        };
        match self.json {
            true => print_json(&report)?,
            false => {
                let texts: Vec<_> = report.feeds.iter().map(FeedReport::text).collect();
                print(&texts.join("\n"))?;
            }
        }
        let refused = report.feeds.iter().any(|feed| feed.refusal.is_some());
        Ok(if refused {
            ExitCode::from(REFUSED)
        } else {
            ExitCode::SUCCESS
        })
    }
}

impl FeedReport {
    /// All that is known of a feed.
    ///
    /// # Errors
    /// Its files cannot be used.
    pub(crate) fn read(places: &Places, feed: Feed, used: &Used) -> Result<Self> {
        let Feed {
            settings,
            blob,
            warnings,
        } = feed;
        let folder = Folder::of(&places.state_dir, &settings.source);
        // What cannot be read is among the warnings already.
        let state = folder.read().map(|read| read.state).unwrap_or_default();
        let newest = StateDir(&places.state_dir).newest().ok().flatten();
        let editions = newest.map(|snapshot| snapshot.feeds).unwrap_or_default();
        let (_, edition) = Feeds::approved(&places.state_dir, editions).edition(&settings)?;
        let (prefixes, names) = edition.counts();
        let mem = match settings.question.has_mem() {
            true => Some(intune::compare(&edition)?),
            false => None,
        };
        Ok(Self {
            in_force: in_force(places, &settings.source, blob.as_ref()),
            quarantine: parts(&edition, used),
            poll: Schedule::read(&folder),
            prefixes,
            names,
            mem,
            warnings,
            refusal: state.refusal().cloned(),
            approved: state.approved().cloned(),
            candidate: state.candidate,
            rejected: state.rejected,
            refusals: state.refusals,
            disagreements: state
                .published
                .as_ref()
                .map(|one| one.disagreements.clone())
                .unwrap_or_default(),
            published: state.published.map(|one| one.version),
            source: settings.source,
            instance: settings.question.instance,
            service_areas: settings.question.areas,
            url: settings.url,
            version: edition.version.clone(),
            remarks: remarks(edition),
        })
    }

    fn text(&self) -> String {
        let mut text = Text::default();
        text.line(
            "source",
            format!(
                "{}: {}, {}",
                self.source,
                self.instance,
                self.service_areas.join(" ")
            ),
        );
        text.line("asks", self.url.clone());
        text.line("approved", self.approved_text());
        text.line(
            "in force",
            match self.in_force {
                Some(number) => format!("in generation {number} of the gateway"),
                None => {
                    "NOT: the gateway was not started, or another edition is in force".to_owned()
                }
            },
        );
        text.line("polled", self.polled_text());
        text.line("next poll", moment(self.poll.next));
        if let Some(fault) = &self.poll.fault {
            let times = self.poll.failures;
            text.line("BACKS OFF", format!("after {times} failures: {fault}"));
        }
        text.line("waits", self.candidate_text());
        for part in &self.quarantine {
            text.line("quarantine", part.text());
        }
        if let Some(refused) = &self.refusal {
            let Refused {
                at,
                times,
                reason,
                file,
                ..
            } = refused;
            text.line(
                "REFUSED",
                format!("{reason} (at {at:.0}, {times} times, kept as refused/{file})"),
            );
        }
        for (name, told) in [
            ("records", &self.disagreements),
            ("remark", &self.remarks),
            ("warning", &self.warnings),
        ] {
            text.some(name, told);
        }
        if let Some(Intune { note, lacks }) = &self.mem {
            text.line("MEM", (*note).to_owned());
            text.line(
                "MEM lacks",
                format!("{} entries of the Intune document of egress", lacks.len()),
            );
            text.some("", lacks);
        }
        text.0
    }

    fn approved_text(&self) -> String {
        let (prefixes, names) = (self.prefixes, self.names);
        let version = match &self.version {
            Some(version) => format!("version {version}"),
            None => "what egress brings along".to_owned(),
        };
        let by = self.approved.as_ref().map_or_else(String::new, |approved| {
            let Generation { number, at, by, .. } = approved;
            format!("; generation {number} of the feed, {at:.0}, by {by}")
        });
        format!("{version}, {prefixes} prefixes, {names} names{by}")
    }

    fn polled_text(&self) -> String {
        let latest = self.poll.latest.as_ref();
        let latest = latest.map_or_else(String::new, |latest| format!(", newest version {latest}"));
        format!("{}{latest}", moment(self.poll.last))
    }

    fn candidate_text(&self) -> String {
        match &self.candidate {
            Some(Candidate {
                version, at, waits, ..
            }) => format!(
                "{} of version {version}, since {at:.0}: `egress-ctl feed diff`, then `approve` or `reject`",
                waits.join(" and ")
            ),
            None => "nothing".to_owned(),
        }
    }
}

fn remarks(edition: Edition) -> Vec<String> {
    edition.remarks
}

fn moment(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"))
}

impl Part {
    fn text(&self) -> String {
        let Self {
            set,
            entries,
            ports,
            until,
            packets,
            bytes,
            ..
        } = self;
        let shown = entries.iter().take(SHOWN).map(String::as_str);
        let mut shown = shown.collect::<Vec<_>>().join(" ");
        if let Some(more) = entries.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            shown += &format!(" and {more} more");
        }
        format!(
            "{set}: {shown} {ports}, until {until:.0}; used by {packets} packets, {bytes} bytes"
        )
    }
}

/// Lines with a name in front.
#[derive(Default)]
struct Text(String);

/// Of long lists the text shows so many; JSON has all.
const SHOWN: usize = 10;

impl Text {
    fn line(&mut self, name: &str, value: String) {
        // Writing into a string cannot fail.
        let _: std::fmt::Result = writeln!(self.0, "{name:<11} {value}");
    }

    fn some(&mut self, name: &str, lines: &[String]) {
        for line in lines.iter().take(SHOWN) {
            self.line(name, line.clone());
        }
        if let Some(more) = lines.len().checked_sub(SHOWN + 1) {
            self.line(name, format!("and {} more: --json has all", more + 1));
        }
    }
}
