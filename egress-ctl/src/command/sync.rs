//! `egress-ctl sync`: asks the web service now.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    feed::{EXIT_CODES, REFUSED, Takeover, Which, take_over},
    output::{print, print_json},
};
use crate::{
    daemon::Places,
    feed::{
        fetch::{self, Answer, FetchError},
        intake::Outcome,
        poll::{known, poll},
        request_id::RequestId,
        schedule::Schedule,
        settings::Settings,
        store::Folder,
    },
    schema::Kind,
};

/// Ask the Microsoft 365 web service now, and apply what the rules let
#[derive(Args)]
#[command(after_help = EXIT_CODES)]
pub struct Sync {
    /// The source, where several follow the service
    source: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Ask now, and for everything, whatever the schedule says
    #[arg(long)]
    now: bool,
    /// Only ask; nothing is written but the time
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Of what `--json` prints.
pub(super) const KIND: Kind = Kind::of::<Report>("egress.sync/1", "egress-ctl sync --json");

/// What `--json` prints.
#[derive(JsonSchema, Serialize)]
struct Report {
    schema: &'static str,
    source: String,
    outcome: &'static str,
    what: String,
    daemon: Option<Takeover>,
}

impl Sync {
    /// Runs the command.
    ///
    /// # Errors
    /// The service does not answer, or files cannot be used.
    pub fn run(self, places: &Places) -> Result<ExitCode> {
        if !self.now {
            bail!("the daemon asks by itself when it is time to; `egress-ctl sync --now` asks now");
        }
        let settings = self.which.settings(places, self.source.as_deref())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start")?;
        let (report, code) = match self.dry_run {
            true => runtime.block_on(only_ask(places, &settings))?,
            false => {
                let outcome = runtime.block_on(poll(&places.state_dir, &settings, true))?;
                report(places, settings, outcome)
            }
        };
        match self.json {
            true => print_json(&report)?,
            false => print(&report.text())?,
        }
        Ok(code)
    }
}

/// What the service says, and nothing else.
async fn only_ask(places: &Places, settings: &Settings) -> Result<(Report, ExitCode)> {
    let folder = Folder::of(&places.state_dir, &settings.source);
    let known = known(&folder, settings, &Schedule::read(&folder));
    let id = RequestId::of_machine(&places.state_dir)?;
    let (outcome, what, code) = match fetch::fetch(settings, &id, &known, false).await {
        Ok(Answer { latest, news, .. }) => {
            let news = if news.is_some() {
                "which is new"
            } else {
                "which is known"
            };
            let what = format!("the service has version {latest}, {news}");
            ("asked", what, ExitCode::SUCCESS)
        }
        Err(FetchError::Refused(refused)) => {
            let what = refused.refusal.to_string();
            ("refused", what, ExitCode::from(REFUSED))
        }
        Err(FetchError::Failed(failed)) => return Err(failed.into()),
    };
    let source = settings.source.clone();
    Ok((Report::new(source, outcome, what, None), code))
}

/// What came of it, and whether it is in force.
fn report(places: &Places, settings: Settings, outcome: Outcome) -> (Report, ExitCode) {
    let Settings { source, .. } = settings;
    let waiting = |waits: &[String]| match waits {
        [] => String::new(),
        waits => format!(
            "; {} wait for `egress-ctl feed approve`",
            waits.join(" and ")
        ),
    };
    match outcome {
        Outcome::Unchanged => {
            let what = "nothing is new".to_owned();
            (
                Report::new(source, "unchanged", what, None),
                ExitCode::SUCCESS,
            )
        }
        Outcome::Waits(waits) => {
            let what = format!("nothing applies by itself{}", waiting(&waits));
            (Report::new(source, "waits", what, None), ExitCode::SUCCESS)
        }
        Outcome::Refused(refusal) => {
            let what = format!("REFUSED: {refusal}; what is approved stays");
            let report = Report::new(source, "refused", what, None);
            (report, ExitCode::from(REFUSED))
        }
        Outcome::Approved { number, waits } => {
            let daemon = take_over(places, &source);
            let fine = daemon.is_fine();
            let what = format!(
                "generation {number} of the feed, by the rules{}",
                waiting(&waits)
            );
            let report = Report::new(source, "approved", what, Some(daemon));
            (
                report,
                if fine {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                },
            )
        }
    }
}

impl Report {
    fn new(source: String, outcome: &'static str, what: String, daemon: Option<Takeover>) -> Self {
        Self {
            schema: KIND.name,
            source,
            outcome,
            what,
            daemon,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("{}: {}\n", self.source, self.what);
        if let Some(daemon) = &self.daemon {
            text += &format!("{}\n", daemon.text());
        }
        text
    }
}
