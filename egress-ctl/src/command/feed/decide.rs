//! `feed approve`, `feed reject` and `feed rollback`.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use jiff::Timestamp;
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
    },
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

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
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
        // The lock is let go of before the daemon is asked.
        let decided = {
            let mut intake = Intake::new(&places.state_dir, &settings, Timestamp::now())?;
            decision(&mut intake, &by)?
        };
        let asks = changes_what_holds && !self.dry_run;
        let daemon = asks.then(|| take_over(places, &settings.source));
        let fine = daemon.as_ref().is_none_or(Takeover::is_fine);
        let report = Report {
            schema: "egress.feed-decision/1",
            source: settings.source,
            dry_run: self.dry_run,
            generation: decided.number,
            what: decided.what,
            changes: decided.difference.lines(),
            daemon,
        };
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

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for line in &self.changes {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{line}");
        }
        let Self {
            source,
            generation,
            what,
            ..
        } = self;
        let would = if self.dry_run { "would be " } else { "" };
        text += &format!("{source}: {would}generation {generation} of the feed: {what}\n");
        if let Some(daemon) = &self.daemon {
            text += &format!("{}\n", daemon.text());
        }
        text
    }
}
