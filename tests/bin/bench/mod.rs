//! `egress-lab bench`: what the filter costs, measured beside what it is to be compared with.
//!
//! Each section is a file that hands over [`report::Findings`]: rows, ratios of one run, and what it had to
//! skip and why.

mod baseline;
mod catalogue;
mod chart;
mod check;
mod effort;
mod feeder;
mod forward;
mod goal;
mod measure;
mod packet;
mod print;
mod report;
mod resolve;
mod ruleset;
mod section;
mod tables;
mod user;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum as _};

use self::check::Against;
use self::effort::{Effort, Extent};
use self::report::Report;
use self::section::Section;
use crate::table::line;

#[derive(Args)]
pub(crate) struct Options {
    /// Less of everything: under a minute instead of under ten
    #[arg(long)]
    quick: bool,
    /// All of it once and small, to see that it works; no figure is worth anything
    #[arg(long, hide = true, conflicts_with = "quick")]
    trial: bool,
    /// Only this section; may be given several times
    #[arg(long, value_enum, value_name = "SECTION")]
    only: Vec<Section>,
    /// Also write what was found as JSON into this file, or only that to standard output for `-`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw what was found, one SVG file a section, into this folder
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    against: Against,
}

/// Measures everything, and prints it; tells whether it is as good as before.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let (began, load) = (Instant::now(), report::load()?);
    let effort = Effort::new(options.extent());
    let sections = options.sections();
    let findings = section::measured(&sections, effort)?;
    let medians = findings.medians();
    let seconds = began.elapsed().as_secs();
    let report = Report::of(effort.extent(), load, findings, seconds)?;
    options.hand_over(&report)?;
    let trend = options
        .against
        .trend(medians, &sections, || Effort::new(options.extent()))?;
    if let (Some(trend), false) = (&trend, options.is_silent()) {
        line(format_args!("\n{trend}"))?;
    }
    Ok(trend.is_none_or(|trend| trend.is_good()))
}

impl Options {
    fn extent(&self) -> Extent {
        match (self.quick, self.trial) {
            (_, true) => Extent::Trial,
            (true, false) => Extent::Quick,
            (false, false) => Extent::Full,
        }
    }

    fn sections(&self) -> Vec<Section> {
        if self.only.is_empty() {
            Section::value_variants().to_vec()
        } else {
            self.only.clone()
        }
    }

    /// Whether standard output is for JSON alone.
    fn is_silent(&self) -> bool {
        self.json.as_deref() == Some(Path::new("-"))
    }

    fn hand_over(&self, report: &Report) -> Result<()> {
        let json = serde_json::to_string_pretty(report)?;
        if self.is_silent() {
            line(format_args!("{json}"))?;
        } else {
            report.print()?;
            if let Some(path) = &self.json {
                write(path, &(json + "\n"))?;
            }
        }
        match &self.svg {
            Some(folder) => chart::draw(&report.rows, folder),
            None => Ok(()),
        }
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
