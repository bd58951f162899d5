//! `drill feed`: every change of the web service's list in time, none that hurts.
//!
//! Each part is a file; each shows one or more things and says of each whether it held.

use std::fmt;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lab::feed::archive::Archive;
use lab::feed::made_up;
use lab::interrupt;
use serde::Serialize;

use crate::table::line;

mod destination;
mod faults;
mod kills;
mod large;
mod replay;
mod steps;

#[derive(Args)]
pub(crate) struct Options {
    /// How often to kill the daemon and commands at random
    #[arg(long, value_name = "N", default_value_t = 100)]
    kills: u32,
    /// A folder of real editions and change records; without it editions are made up
    #[arg(long, value_name = "DIR")]
    snapshots: Option<PathBuf>,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct FeedReport {
    schema: &'static str,
    drill: &'static str,
    editions: String,
    shown: Vec<Shown>,
    passed: bool,
}

/// One thing that was shown, or not.
#[derive(Serialize)]
struct Shown {
    what: String,
    passed: bool,
    seen: String,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let archive = match &options.snapshots {
        Some(folder) => Archive::read(folder)?,
        None => made_up::archive("Worldwide"),
    };
    let mut report = FeedReport {
        schema: "egress.drill/1",
        drill: "feed",
        editions: match &options.snapshots {
            Some(folder) => folder.display().to_string(),
            None => "made up; --snapshots takes real ones".to_owned(),
        },
        shown: Vec::new(),
        passed: true,
    };
    report.tell(
        options,
        replay::show(options.snapshots.as_deref(), &archive)?,
    )?;
    report.tell(options, steps::show(&archive)?)?;
    report.tell(options, faults::show()?)?;
    report.tell(options, kills::show(options.kills)?)?;
    report.tell(options, large::show()?)?;
    if options.json {
        line(format_args!("{}", serde_json::to_string(&report)?))?;
    }
    Ok(report.passed)
}

impl Shown {
    /// Held, with what was seen; or not, with why.
    fn of(what: &str, result: Result<String>) -> Self {
        let passed = result.is_ok();
        Self {
            what: what.to_owned(),
            passed,
            seen: result.unwrap_or_else(|error| format!("{error:#}")),
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.passed { "held" } else { "FAILED" };
        write!(f, "{mark:6}  {:32}  {}", self.what, self.seen)
    }
}

impl FeedReport {
    /// Adds what a part showed, and prints it at once where people read.
    fn tell(&mut self, options: &Options, shown: Vec<Shown>) -> Result<()> {
        interrupt::check()?;
        for one in shown {
            if !options.json {
                line(format_args!("{one}"))?;
            }
            self.passed &= one.passed;
            self.shown.push(one);
        }
        Ok(())
    }
}
