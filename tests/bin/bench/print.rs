//! A report as tables: what was measured, how it stands to the goals, and what became of earlier runs.

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use super::baseline::{Baseline, Trend};
use super::goal::{GOALS, Goal};
use super::measure::Spread;
use super::report::{Machine, Report};
use crate::table::line;

/// Columns of text before those of numbers.
const TEXTS: usize = 2;

impl Report {
    /// Prints all of it.
    pub(super) fn print(&self) -> Result<()> {
        let Machine { kernel, cpus, load } = &self.machine;
        line(format_args!(
            "kernel {kernel}, {cpus} CPUs, load {load} at the beginning; {} s\n",
            self.seconds
        ))?;
        line(format_args!("{}\n", self.measured()))?;
        line(format_args!("{}", self.goals()))?;
        for (what, reason) in &self.skipped {
            line(format_args!("skipped {what}: {reason}"))?;
        }
        Ok(())
    }

    fn measured(&self) -> Table {
        let mut table = plain(["what", "unit", "median", "low", "high", "rounds"], TEXTS);
        let mut section = "";
        for row in &self.rows {
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
                row.rounds.to_string(),
            ]);
        }
        table
    }

    fn goals(&self) -> Table {
        let mut table = plain(["ratio", "wanted", "median", "low", "high", ""], TEXTS);
        for goal in &GOALS {
            table.add_row(self.goal(goal));
        }
        table
    }

    fn goal(&self, goal: &Goal) -> Vec<String> {
        let named = [goal.what.to_owned(), goal.bound.to_string()];
        let Some(value) = self.ratio(goal.key) else {
            return [&named[..], &["skipped".to_owned()]].concat();
        };
        let [low, high] = self.ranges.get(goal.key).copied().unwrap_or_default();
        let verdict = if goal.bound.holds(value) {
            "met".to_owned()
        } else {
            format!("missed by {:.1}x", goal.bound.excess(value))
        };
        let numbers = [value, low, high].map(number);
        [&named[..], &numbers, &[verdict]].concat()
    }
}

/// Ratios from run to run.
pub(super) fn trends(baseline: &Baseline, trends: &[Trend]) -> Table {
    let dates = baseline.dates().chain(["now", ""]);
    let mut table = plain(["ratio", "wanted"].into_iter().chain(dates), TEXTS);
    for trend in trends {
        let value = |value: &Option<f64>| value.map_or("-".to_owned(), number);
        let mut row = vec![trend.goal.what.to_owned(), trend.goal.bound.to_string()];
        row.extend(trend.earlier.iter().chain([&trend.now]).map(value));
        row.push(trend.change.to_string());
        table.add_row(row);
    }
    table
}

/// A table without lines, whose columns are aligned right from one on.
fn plain<'a>(header: impl IntoIterator<Item = &'a str>, texts: usize) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_header(header.into_iter().collect::<Vec<_>>());
    for column in table.column_iter_mut().skip(texts) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// Three digits that count, or all before the point.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let before = value.abs().log10().floor() as i32;
    format!("{value:.*}", usize::try_from(2 - before).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::baseline::Medians;
    use super::super::effort::Extent;
    use super::super::measure::Series;
    use super::super::report::Findings;
    use super::*;

    fn line_of(table: &Table, what: &str) -> String {
        let text = table.to_string();
        let found = text.lines().find(|line| line.contains(what));
        found.unwrap_or_default().to_owned()
    }

    #[test]
    fn numbers_have_three_digits() {
        for (value, expected) in [
            (0.0, "0"),
            (0.004_26, "0.00426"),
            (0.123_4, "0.123"),
            (1.0, "1.00"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.4, "1234"),
        ] {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn a_goal_that_is_missed_says_by_how_much() {
        let mut findings = Findings::default();
        for goal in GOALS.iter().filter(|goal| goal.key != "learned") {
            findings.ratio(goal.key, &Series(vec![2.6]));
        }
        findings.skip("learned", "not now");
        let report = Report::of(Extent::Trial, 0.0, findings, 0).unwrap();
        let goals = report.goals();
        for (what, expected) in [
            ("denied, over", "missed by 2.0x"),
            ("plain LPM_TRIE", "met"),
            ("learned", "skipped"),
        ] {
            let line = line_of(&goals, what);
            assert!(line.contains(expected), "{line}");
        }
    }

    #[test]
    fn a_trend_shows_every_run_and_what_became_worse() {
        let run = |value| Medians::from([("denied".to_owned(), value)]);
        let baseline = Baseline::default()
            .with("2026-11-22", run(4.0))
            .with("2026-11-23", run(1.0));
        let table = trends(&baseline, &baseline.compare(&run(2.0)));
        let line = line_of(&table, "denied");
        let words: Vec<_> = line.split_whitespace().collect();
        assert!(
            words.ends_with(&["4.00", "1.00", "2.00", "WORSE", "by", "100", "%"]),
            "{line}"
        );
        let head = line_of(&table, "now");
        assert!(head.contains("2026-11-22") && head.contains("2026-11-23"));
    }
}
