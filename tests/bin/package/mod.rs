//! `egress-lab package`: a Debian package in a clean Debian on the lab's gateway, from its installation to its purge.
//!
//! In: the package, the archive of a clean root, and by `EGRESS_CTL` another build of the program, for a package
//! of an earlier version. Out: a line for each step. `cargo xtask dist --check` starts it.

pub(crate) mod kernel;
pub(crate) mod listing;
pub(crate) mod other;
mod root;
pub(crate) mod steps;
mod unit;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use lab::gateway;
use lab::host::Life;
use lab::interrupt;
use lab::site::Site;
use lab::zone::Zone;
use serde::Serialize;

use self::steps::{STEPS, Trial};
use crate::table::line;

#[derive(Args)]
pub(crate) struct Options {
    /// The package
    #[arg(long, value_name = "FILE")]
    deb: PathBuf,
    /// Archive of a clean root
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema: &'static str,
    steps: Vec<Row>,
    passed: bool,
}

/// What came of a step.
#[derive(Serialize)]
struct Row {
    step: &'static str,
    seen: String,
    milliseconds: u128,
    held: bool,
}

/// Takes one step after the other until one fails.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let site = Site::start(Life::Bound, &Zone::new(), &[])?;
    let folder = site.lab.folder();
    let earlier = other::earlier(&options.deb, &gateway::program()?, folder)?;
    let root = root::Root::unpack(&options.root, &site.lab)?;
    for (deb, name) in [
        (&earlier, "tmp/earlier.deb"),
        (&options.deb, "tmp/this.deb"),
    ] {
        fs::copy(deb, root.path(name)).with_context(|| deb.display().to_string())?;
    }
    let mut trial = Trial::new(&site.lab, root)?;
    let mut report = Report {
        schema: "egress.package/1",
        steps: Vec::new(),
        passed: true,
    };
    for (step, take) in STEPS {
        interrupt::check()?;
        let begin = Instant::now();
        let done = take(&mut trial);
        let row = Row {
            step,
            milliseconds: begin.elapsed().as_millis(),
            held: done.is_ok(),
            seen: done.unwrap_or_else(|fault| format!("FAILED: {fault:#}")),
        };
        report.passed = row.held;
        if !options.json {
            line(format_args!(
                "{:20}  {:>6} ms  {}",
                row.step, row.milliseconds, row.seen
            ))?;
        }
        report.steps.push(row);
        if !report.passed {
            break;
        }
    }
    if options.json {
        line(format_args!("{}", serde_json::to_string(&report)?))?;
    }
    Ok(report.passed)
}
