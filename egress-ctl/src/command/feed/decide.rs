//! `feed approve`, `feed reject` and `feed rollback`.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Takeover, Which, take_over};
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    feed::{
        decide::{DecideError, Decided},
        difference::Line,
        intake::Intake,
        person::{By, Person},
        settings::Settings,
    },
    schema::Kind,
};

/// What all decisions take.
#[derive(Debug, Args)]
pub struct How {
    #[command(flatten)]
    which: Which,
    /// Only tell what would happen
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Let the candidate in.
#[derive(Debug, Args)]
pub struct Approve {
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Do without the candidate.
#[derive(Debug, Args)]
pub struct Reject {
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Go back to a generation of the feed.
#[derive(Debug, Args)]
pub struct Rollback {
    /// Number of the generation, as `feed history` has it; 0 is what egress brings along
    number: u64,
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    how: How,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>(
    "egress.feed-decision/1",
    "egress-ctl feed approve, reject and rollback --json",
);

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Report {
    schema: &'static str,
    source: String,
    dry_run: bool,
    /// The feed's generation.
    generation: u64,
    what: String,
    changes: Vec<Line>,
    /// None where nothing had to be taken over.
    daemon: Option<Takeover>,
}

impl Approve {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let dry_run = self.how.dry_run;
        self.how
            .decide(places, self.source.as_deref(), true, |intake, by| {
                intake.approve_candidate(by, dry_run)
            })
    }
}

impl Reject {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let dry_run = self.how.dry_run;
        self.how
            .decide(places, self.source.as_deref(), false, |intake, by| {
                intake.reject_candidate(by, dry_run)
            })
    }
}

impl Rollback {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let (number, dry_run) = (self.number, self.how.dry_run);
        self.how
            .decide(places, self.source.as_deref(), true, |intake, by| {
                intake.roll_back(number, by, dry_run)
            })
    }
}

impl How {
    fn decide(
        &self,
        places: &Places,
        source: Option<&str>,
        changes_what_holds: bool,
        decision: impl FnOnce(&mut Intake<'_>, &By) -> Result<Decided, DecideError>,
    ) -> Result<ExitCode> {
        let settings = self.which.settings(places, source)?;
        let by = By::Person(Person::here());
        let mut report = decide(places, settings, |intake| Ok(decision(intake, &by)?))?;
        report.dry_run = self.dry_run;
        if changes_what_holds && !self.dry_run {
            report.take_over(places);
        }
        let fine = report.daemon.as_ref().is_none_or(Takeover::is_fine);
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text())?,
        }
        Ok(if fine {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// Decides about a feed. The lock is let go of before the daemon is asked.
///
/// # Errors
/// There is nothing to decide, or the files of the feed cannot be used.
pub(crate) fn decide(
    places: &Places,
    settings: Settings,
    decision: impl FnOnce(&mut Intake<'_>) -> Result<Decided>,
) -> Result<Report> {
    let mut intake = Intake::new(&places.state_dir, &settings, Timestamp::now())?;
    let decided = decision(&mut intake)?;
    drop(intake);
    Ok(Report {
        schema: KIND.name,
        source: settings.source,
        dry_run: false,
        generation: decided.number,
        what: decided.what,
        changes: decided.difference.lines(),
        daemon: None,
    })
}

impl Report {
    /// Has a running daemon take over what holds now.
    pub(crate) fn take_over(&mut self, places: &Places) {
        self.daemon = Some(take_over(places, &self.source));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.changes {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{line}");
        }
        text + &self.summary()
    }

    /// What was decided, and what became of it.
    pub(crate) fn summary(&self) -> String {
        let Self {
            source,
            generation,
            what,
            ..
        } = self;
        let would = if self.dry_run { "would be " } else { "" };
        let mut text = format!("{source}: {would}generation {generation} of the feed: {what}\n");
        if let Some(daemon) = &self.daemon {
            text += &format!("{}\n", daemon.text());
        }
        text
    }
}
