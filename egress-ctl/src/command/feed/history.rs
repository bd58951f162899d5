//! `feed history`: who decided what.

use std::{fmt::Write as _, process::ExitCode};

use anyhow::Result;
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::Which;
use crate::{
    command::output::{print, print_json},
    daemon::Places,
    feed::{
        state::{Event, Generation},
        store::Folder,
    },
    schema::Kind,
};

/// Who decided what, when.
#[derive(Debug, Args)]
pub struct History {
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind =
    Kind::of::<Report>("egress.feed-history/1", "egress-ctl feed history --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    source: String,
    events: Vec<Event>,
    /// Those that can be gone back to.
    generations: Vec<Generation>,
}

impl History {
    pub(super) fn run(self, places: &Places) -> Result<ExitCode> {
        let settings = self.which.settings(places, self.source.as_deref())?;
        let state = Folder::of(&places.state_dir, &settings.source)
            .read()?
            .state;
        let report = Report {
            schema: KIND.name,
            source: settings.source,
            events: state.history,
            generations: state.generations,
        };
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text())?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for Event { at, by, what } in &self.events {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{at:.0}  {by:<16}  {what}");
        }
        if self.events.is_empty() {
            return "nothing was decided yet\n".to_owned();
        }
        let numbers: Vec<_> = self
            .generations
            .iter()
            .map(|one| one.number.to_string())
            .collect();
        text + &format!(
            "generations that can be gone back to: 0, {}\n",
            numbers.join(", ")
        )
    }
}
