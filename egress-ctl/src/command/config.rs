//! `egress-ctl config`: what is wrong with a config, and what it comes to.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use clap::Subcommand;
use jiff::Zoned;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    enforce::in_ms,
    force::Force,
    output::{print, print_json},
};
use crate::{
    config::{Config, ConfigError, Problem, show},
    control::{Request, client::ask},
    daemon::{self, Places},
    feed::standing::Feeds,
    lever::deadline::typed,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
    },
    schema::Kind,
};

/// Check, show and try configs.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Tell everything that is wrong with a config, and what is hardly meant; fails where it is wrong.
    Check {
        /// The config, in TOML.
        file: PathBuf,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Put a config into force, and go back to the one before unless `egress-ctl confirm` comes in time.
    Apply {
        /// The config, in TOML; once confirmed, its text replaces the daemon's own config.
        file: PathBuf,
        /// How long to wait for the confirmation, such as 5m
        #[arg(long, value_name = "TIME", value_parser = typed)]
        confirm_within: Duration,
    },
    /// Show a config with every default, and how much its sources hold; without a file the one in force.
    Show {
        /// The config, in TOML.
        file: Option<PathBuf>,
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// Of what `check` and `show` print as JSON.
pub(crate) const KINDS: &[Kind] = &[CHECKED, SHOWN];

const CHECKED: Kind =
    Kind::of::<Checked>("egress.config-check/1", "egress-ctl config check --json");
const SHOWN: Kind = Kind::of::<Shown>("egress.config/1", "egress-ctl config show --json");

/// What `check --json` prints.
#[derive(JsonSchema, Serialize)]
struct Checked {
    schema: &'static str,
    file: PathBuf,
    good: bool,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// What `show --json` prints.
#[derive(JsonSchema, Serialize)]
struct Shown {
    schema: &'static str,
    #[serde(flatten)]
    effective: show::Effective,
}

impl ConfigCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// The config is wrong, or there is none.
    pub fn run(self, places: &Places) -> Result<()> {
        match self {
            Self::Check { file, json } => check(file, json, places),
            Self::Apply {
                file,
                confirm_within,
            } => apply(&file, confirm_within, places),
            Self::Show { file, json } => show(file.as_deref(), json, places),
        }
    }
}

fn check(file: PathBuf, json: bool, places: &Places) -> Result<()> {
    let (problems, warnings) = match Config::read(&file, &approved(places)) {
        Ok((config, _)) => (Vec::new(), warnings(&config)?),
        Err(ConfigError { problems, .. }) => (problems, Vec::new()),
    };
    let checked = Checked {
        schema: CHECKED.name,
        good: problems.is_empty(),
        file,
        problems,
        warnings,
    };
    match json {
        true => print_json(&checked)?,
        false => print(&checked.text())?,
    }
    match checked.problems.len() {
        0 => Ok(()),
        1 => bail!("1 problem: a daemon would refuse this config"),
        count => bail!("{count} problems: a daemon would refuse this config"),
    }
}

/// What the web services brought, as a daemon would take it at its next start.
fn approved(places: &Places) -> Feeds {
    Feeds::approved(&places.state_dir, BTreeMap::new())
}

/// What compiling tells of a config on this machine.
pub(super) fn warnings(config: &Config) -> Result<Vec<String>> {
    let circumstances = Circumstances {
        own: &daemon::own_addresses()?,
        today: Zoned::now().date(),
    };
    Ok(compile(config, circumstances, &mut Ids::default())?.warnings)
}

fn apply(file: &Path, within: Duration, places: &Places) -> Result<()> {
    // Its problems are told here, with the name of this very file.
    let (_, text) = Config::read(file, &approved(places))?;
    let request = Request::Apply {
        from: std::path::absolute(file)?,
        text,
        within_ms: in_ms(within),
    };
    print(&format!("{}\n", ask(&places.state_dir, &request)?))
}

fn show(file: Option<&Path>, json: bool, places: &Places) -> Result<()> {
    let (config, text) = match file {
        Some(file) => Config::read(file, &approved(places))?,
        None => {
            let force = Force::read(places)?;
            (force.config, force.snapshot.text)
        }
    };
    let effective = show::effective(&text, &config)?;
    match json {
        true => print_json(&Shown {
            schema: SHOWN.name,
            effective,
        }),
        false => print(&effective.text()?),
    }
}

impl Checked {
    fn text(&self) -> String {
        let mut text = String::new();
        let mut line = |line: String| {
            // Writing into a string cannot fail.
            let _: std::fmt::Result = writeln!(text, "{line}");
        };
        let file = self.file.display();
        for problem in &self.problems {
            line(format!("{file}:{problem}"));
        }
        for warning in &self.warnings {
            line(format!("{file}: warning: {warning}"));
        }
        if self.good {
            let warnings = match self.warnings.len() {
                0 => String::new(),
                1 => ", with a warning".to_owned(),
                count => format!(", with {count} warnings"),
            };
            line(format!("{file} is good{warnings}"));
        }
        text
    }
}
