//! The report: what each section found in, tables and JSON out.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, ensure};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use super::effort::Effort;
use super::goal::GOALS;
use super::measure::{Series, Spread};
use crate::table::line;

/// One measured value.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Row {
    pub(super) section: &'static str,
    pub(super) name: String,
    pub(super) unit: &'static str,
    #[serde(flatten)]
    pub(super) spread: Spread,
}

/// What one section found.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) rows: Vec<Row>,
    ratios: Vec<(&'static str, Spread)>,
    skipped: Vec<(String, String)>,
}

impl Findings {
    /// Adds a value; nothing where none was measured.
    pub(super) fn row(
        &mut self,
        section: &'static str,
        name: impl Into<String>,
        unit: &'static str,
        series: &Series,
    ) {
        let name = name.into();
        self.rows.extend(Spread::of(&series.0).map(|spread| Row {
            section,
            name,
            unit,
            spread,
        }));
    }

    /// Adds one of the goals' ratios.
    pub(super) fn ratio(&mut self, key: &'static str, series: &Series) {
        self.ratios
            .extend(Spread::of(&series.0).map(|spread| (key, spread)));
    }

    /// Says why something was not measured.
    pub(super) fn skip(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.skipped.push((what.into(), reason.into()));
    }

    /// Adds what another section found.
    pub(super) fn add(&mut self, mut other: Self) {
        self.rows.append(&mut other.rows);
        self.ratios.append(&mut other.ratios);
        self.skipped.append(&mut other.skipped);
    }
}

/// What the figures were measured on.
#[derive(Serialize)]
struct Machine {
    kernel: String,
    cpus: usize,
    /// Processes that wanted to run on average in the last minute when the bench began.
    load: f64,
}

/// A whole run.
#[derive(Serialize)]
pub(super) struct Report {
    schema: &'static str,
    effort: Effort,
    machine: Machine,
    measurements: Vec<Row>,
    /// Medians by the goals' keys.
    ratios: BTreeMap<&'static str, f64>,
    /// Their lowest and highest values.
    ranges: BTreeMap<&'static str, [f64; 2]>,
    /// What was not measured, and why.
    skipped: BTreeMap<String, String>,
    seconds: u64,
}

impl Report {
    /// Fails where a goal was neither measured nor skipped.
    pub(super) fn of(effort: Effort, load: f64, findings: Findings, seconds: u64) -> Result<Self> {
        let ratios = findings.ratios.iter();
        let report = Self {
            schema: "egress.bench/1",
            effort,
            machine: Machine {
                kernel: rustix::system::uname()
                    .release()
                    .to_string_lossy()
                    .into_owned(),
                cpus: std::thread::available_parallelism()?.get(),
                load,
            },
            measurements: findings.rows,
            ratios: ratios
                .clone()
                .map(|(key, spread)| (*key, spread.median))
                .collect(),
            ranges: ratios
                .map(|(key, spread)| (*key, [spread.low, spread.high]))
                .collect(),
            skipped: findings.skipped.into_iter().collect(),
            seconds,
        };
        for goal in GOALS {
            let told = [
                report.ratios.contains_key(goal.key),
                report.skipped.contains_key(goal.key),
            ];
            ensure!(
                told == [true, false] || told == [false, true],
                "{} was measured: {}, skipped: {}",
                goal.key,
                told[0],
                told[1]
            );
        }
        Ok(report)
    }

    /// Prints what was measured, how it stands to the goals, and what was skipped.
    pub(super) fn print(&self) -> Result<()> {
        let Machine { kernel, cpus, load } = &self.machine;
        line(format_args!(
            "kernel {kernel}, {cpus} CPUs, load {load} at the beginning; {} rounds, {} s\n",
            self.effort.rounds(),
            self.seconds
        ))?;
        line(format_args!("{}\n", self.measured()))?;
        line(format_args!("{}", self.goals()))?;
        for (what, reason) in &self.skipped {
            line(format_args!("skipped {what}: {reason}"))?;
        }
        Ok(())
    }

    /// What was measured.
    pub(super) fn rows(&self) -> &[Row] {
        &self.measurements
    }

    fn measured(&self) -> Table {
        let mut table = plain(["what", "unit", "median", "low", "high"], 2);
        let mut section = "";
        for row in &self.measurements {
            if row.section != section {
                section = row.section;
                table.add_row([section]);
            }
            let Spread { median, low, high } = row.spread;
            table.add_row([
                format!("  {}", row.name),
                row.unit.to_owned(),
                number(median),
                number(low),
                number(high),
            ]);
        }
        table
    }

    fn goals(&self) -> Table {
        let mut table = plain(["ratio", "wanted", "median", "low", "high", ""], 2);
        for goal in GOALS {
            let Some(value) = self.ratios.get(goal.key) else {
                table.add_row([
                    goal.what.to_owned(),
                    goal.bound.to_string(),
                    "skipped".to_owned(),
                ]);
                continue;
            };
            let [low, high] = self.ranges.get(goal.key).copied().unwrap_or_default();
            let verdict = if goal.bound.holds(*value) {
                "met".to_owned()
            } else {
                format!("missed by {:.1}x", goal.bound.excess(*value))
            };
            table.add_row([
                goal.what.to_owned(),
                goal.bound.to_string(),
                number(*value),
                number(low),
                number(high),
                verdict,
            ]);
        }
        table
    }
}

/// The load of the last minute.
pub(super) fn load() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// A table without lines, whose columns are aligned right from one on.
fn plain<const N: usize>(header: [&str; N], numbers: usize) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(numbers) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Three digits that count, or all before the point.
fn number(value: f64) -> String {
    let before = value.abs().max(1.0).log10().floor() as usize;
    format!("{value:.*}", 2_usize.saturating_sub(before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: f64) -> Series {
        Series(vec![value])
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, expected) in [
            (0.123_4, "0.12"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.4, "1234"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_report_says_of_every_goal_what_became_of_it() {
        let all_but = |missing: &str| {
            let mut findings = Findings::default();
            for goal in GOALS.iter().filter(|goal| goal.key != missing) {
                findings.skip(goal.key, "not now");
            }
            findings
        };
        assert!(Report::of(Effort::Trial, 0.0, all_but("denied"), 0).is_err());
        let mut findings = all_but("denied");
        findings.ratio("denied", &one(1.5));
        findings.row("packet", "denied", "ns", &one(60.0));
        findings.skip("xdp-filter", "it is not installed");
        let report = Report::of(Effort::Trial, 0.0, findings, 0).unwrap();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["ratios"], serde_json::json!({ "denied": 1.5 }));
        assert_eq!(json["ranges"], serde_json::json!({ "denied": [1.5, 1.5] }));
        assert_eq!(json["skipped"]["xdp-filter"], "it is not installed");
        assert_eq!(
            json["measurements"][0],
            serde_json::json!({
                "section": "packet", "name": "denied", "unit": "ns", "median": 60.0, "low": 60.0, "high": 60.0,
            })
        );
        let mut both = all_but("");
        both.ratio("denied", &one(1.5));
        assert!(Report::of(Effort::Trial, 0.0, both, 0).is_err());
    }

    #[test]
    fn a_goal_that_is_missed_says_by_how_much() {
        let mut findings = Findings::default();
        for goal in GOALS {
            findings.ratio(goal.key, &one(2.6));
        }
        let report = Report::of(Effort::Trial, 0.0, findings, 0).unwrap();
        let goals = report.goals().to_string();
        let line = |what: &str| {
            goals
                .lines()
                .find(|line| line.contains(what))
                .unwrap()
                .to_owned()
        };
        assert!(line("denied, over").contains("missed by 2.0x"), "{goals}");
        assert!(line("plain LPM_TRIE").contains("met"), "{goals}");
    }
}
