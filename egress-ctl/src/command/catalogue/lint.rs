//! `egress-ctl catalogue lint`: what is wrong with a catalogue or a file.
//!
//! Out: a line a finding, the worst first. It fails where there is a finding as bad as asked.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum};
use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Which, import};
use crate::{
    catalogue::{
        finding::{Finding, Severity},
        lint::lint,
        source::format::Format,
    },
    command::output::json,
    command::output::print,
    schema::Kind,
};

/// What to look at.
#[derive(Debug, Args)]
pub struct Lint {
    /// A page or the data of a service, rather than the catalogue
    file: Option<PathBuf>,
    /// What the file is; without it what it seems to be
    #[arg(long, value_enum, requires = "file")]
    from: Option<Format>,
    #[command(flatten)]
    pub(super) which: Which,
    /// The least severity that makes the command fail
    #[arg(long, value_enum, default_value_t = Fail::Error)]
    fail_on: Fail,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Which findings make the command fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fail {
    Note,
    Warning,
    Error,
    Never,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report<'_>>("egress.lint/1", "egress-ctl catalogue lint --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report<'a> {
    schema: &'static str,
    findings: &'a [Finding],
}

impl Lint {
    /// Prints the findings; whether none is as bad as asked.
    pub(super) fn run(&self) -> Result<bool> {
        let findings = self.findings()?;
        print(&self.text(&findings)?)?;
        let worst = match self.fail_on {
            Fail::Note => Severity::Note,
            Fail::Warning => Severity::Warning,
            Fail::Error => Severity::Error,
            Fail::Never => return Ok(true),
        };
        Ok(findings.iter().all(|finding| finding.severity < worst))
    }

    /// The text alone.
    pub(super) fn render(&self) -> Result<String> {
        self.text(&self.findings()?)
    }

    fn findings(&self) -> Result<Vec<Finding>> {
        let today = Zoned::now().date();
        let Some(file) = &self.file else {
            let catalogue = self.which.catalogue()?;
            return Ok(lint(&catalogue.sets().iter().collect::<Vec<_>>(), today));
        };
        let page = import::read(file, self.from, None)?;
        let mut findings = page.findings;
        findings.extend(lint(&page.sets.iter().collect::<Vec<_>>(), today));
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        Ok(findings)
    }

    fn text(&self, findings: &[Finding]) -> Result<String> {
        if self.json {
            let report = Report {
                schema: KIND.name,
                findings,
            };
            return json(&report);
        }
        let mut text: String = findings.iter().map(|finding| self.line(finding)).collect();
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        text += &format!(
            "{errors} errors, {warnings} warnings, {} notes\n",
            count(Severity::Note)
        );
        Ok(text)
    }

    fn line(&self, finding: &Finding) -> String {
        let Finding {
            severity,
            rule,
            line,
            set,
            message,
        } = finding;
        let file = self
            .file
            .as_ref()
            .map(|file| format!("{}:", file.display()))
            .unwrap_or_default();
        let line = line.map(|line| format!("{line}:")).unwrap_or_default();
        let place = format!("{file}{line}");
        let space = if place.is_empty() { "" } else { " " };
        let set = set
            .as_ref()
            .map(|set| format!("{set}: "))
            .unwrap_or_default();
        format!(
            "{place}{space}{} [{rule}]: {set}{message}\n",
            severity.name()
        )
    }
}
