//! `egress-lab bench`: what the filter costs, measured beside what it is to be compared with.
//!
//! Each section is a file that hands over [`report::Findings`]: rows, ratios of one run, and what it had to
//! skip and why.

mod catalogue;
mod chart;
mod effort;
mod feeder;
mod forward;
mod goal;
mod measure;
mod packet;
mod report;
mod tables;
mod user;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;
use lab::kernel::inside;

use self::effort::Effort;
use self::report::{Findings, Report};

#[derive(Args)]
pub(crate) struct Options {
    /// Less of everything: under a minute instead of under ten
    #[arg(long)]
    quick: bool,
    /// All of it once and small, to see that it works; no figure is worth anything
    #[arg(long, hide = true, conflicts_with = "quick")]
    trial: bool,
    /// Also write what was found as JSON into this file, or to standard output for `-`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Also draw what was found, one SVG file a section, into this folder
    #[arg(long, value_name = "DIR")]
    svg: Option<PathBuf>,
}

/// What this bench does not measure yet.
const NOT_YET: [&str; 3] = [
    "DNS answer to enforced, beside dnsmasq with nftset",
    "earlier designs of egress",
    "nftables: one prefix in 100000 added and removed",
];

/// Measures everything, and prints it.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let effort = options.effort();
    let (began, load) = (Instant::now(), report::load()?);
    let mut findings = inside(|pin_dir| -> Result<Findings> {
        // Interrupts and whatever else runs tend to the first CPU.
        measure::pin(|cpus| cpus.last().copied())?;
        let mut findings = packet::measure(pin_dir, effort)?;
        findings.add(tables::measure(pin_dir, effort)?);
        findings.add(user::measure(effort)?);
        Ok(findings)
    })??;
    findings.add(forward::measure(effort)?);
    for what in NOT_YET {
        findings.skip(what, "the bench does not measure it yet");
    }
    let report = Report::of(effort, load, findings, began.elapsed().as_secs())?;
    options.hand_over(&report)?;
    Ok(true)
}

impl Options {
    fn effort(&self) -> Effort {
        match (self.quick, self.trial) {
            (_, true) => Effort::Trial,
            (true, false) => Effort::Quick,
            (false, false) => Effort::Full,
        }
    }

    fn hand_over(&self, report: &Report) -> Result<()> {
        let json = serde_json::to_string_pretty(report)?;
        match &self.json {
            Some(path) if path.as_os_str() == "-" => crate::table::line(format_args!("{json}"))?,
            Some(path) => {
                report.print()?;
                fs::write(path, json + "\n")
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
            None => report.print()?,
        }
        match &self.svg {
            Some(folder) => chart::draw(report.rows(), folder),
            None => Ok(()),
        }
    }
}
