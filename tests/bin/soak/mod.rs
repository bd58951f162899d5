//! `egress-lab soak`: a gateway under mixed traffic while everything around it changes and fails; the report is a
//! table, and a plot over time.

mod plot;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Args;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use lab::soak::{self, Report, Tallied, Violation};

use crate::table::line;

/// A day.
const MOST_MINUTES: f64 = 24.0 * 60.0;

#[derive(Args)]
pub(crate) struct Options {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 3.0, value_parser = minutes)]
    minutes: f64,
    /// Decides on the order of faults
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Draw what was seen over time
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "a number of minutes".to_owned())?;
    let is_possible = (0.1..=MOST_MINUTES).contains(&minutes);
    is_possible
        .then_some(minutes)
        .ok_or_else(|| format!("0.1 to {MOST_MINUTES} minutes"))
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let length = Duration::from_secs_f64(options.minutes * 60.0);
    let report = soak::run(length, options.seed)?;
    if let Some(file) = &options.svg {
        let drawn = plot::draw(&report);
        fs::write(file, drawn).with_context(|| format!("cannot write {}", file.display()))?;
    }
    if options.json {
        line(format_args!("{}", serde_json::to_string(&report)?))?;
    } else {
        tell(&report)?;
    }
    Ok(report.passed)
}

fn tell(report: &Report) -> Result<()> {
    line(format_args!("{}\n", thrown(report)))?;
    line(format_args!("{}\n", tallied(&report.tallied)))?;
    for violation in &report.violations {
        line(format_args!("{}", violated(violation)))?;
    }
    let seconds = report.milliseconds as f64 / 1000.0;
    let count = report.violations.len();
    line(format_args!("{count} violations in {seconds:.1} s"))
}

fn thrown(report: &Report) -> Table {
    let mut table = plain(&["thrown at the gateway", "times"]);
    let thrown = report.thrown.iter();
    table.add_rows(thrown.map(|(what, count)| [what.clone(), count.to_string()]));
    let skipped = report.skipped.iter();
    table.add_rows(skipped.map(|(what, why)| [(*what).to_owned(), format!("skipped: {why}")]));
    table
}

fn tallied(tallied: &[Tallied]) -> Table {
    let mut table = plain(&["counter", "at least", "at most", "counted"]);
    table.add_rows(tallied.iter().map(|one| {
        [
            one.counter.to_owned(),
            one.at_least.to_string(),
            one.at_most.to_string(),
            one.counted.to_string(),
        ]
    }));
    table
}

/// A table whose columns but the first hold numbers.
fn plain(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(head);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn violated(violation: &Violation) -> String {
    let seconds = violation.at_ms as f64 / 1000.0;
    let (what, evidence) = (&violation.what, &violation.evidence);
    format!("VIOLATED at {seconds:.3} s: {what}: {evidence}")
}
