//! `egress-ctl doctor`: what of this machine helps or hinders filtering, and what to do about it.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::output::{complain, print, print_json};
use crate::{
    daemon::Places,
    doctor::{
        examine,
        finding::{Finding, Outcome, worst},
        look::look,
    },
    schema::Kind,
};

/// Look at this machine, say what is wrong and what mends it; nothing is changed
///
/// Exits with 0 where all is well, 1 with warnings, 2 with failures, and 3 where nothing could be looked at, as
/// monitoring plugins do.
#[derive(Args)]
pub struct Doctor {
    /// The config that it is about; else the one in force, or /etc/egress/egress.toml
    #[arg(long, value_name = "FILE", env = "EGRESS_CONFIG")]
    config: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.doctor/1", "egress-ctl doctor --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    /// The worst outcome, which the exit code tells.
    worst: Outcome,
    findings: Vec<Finding>,
}

/// Nothing could be looked at.
const UNKNOWN: u8 = 3;

impl Doctor {
    /// Runs the command; the exit code tells the worst that was found.
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
        let findings = examine(&look(places, self.config.as_deref())?);
        let report = Report {
            schema: KIND.name,
            worst: worst(&findings),
            findings,
        };
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text())?,
        }
        Ok(report.worst)
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{finding}");
        }
        let count = |outcome| {
            let some = self.findings.iter().filter(|one| one.outcome == outcome);
            some.count()
        };
        let counts = [Outcome::Ok, Outcome::Warn, Outcome::Fail, Outcome::Skipped]
            .map(|outcome| format!("{} {}", count(outcome), outcome.name()));
        text + &counts.join(", ") + "\n"
    }
}
