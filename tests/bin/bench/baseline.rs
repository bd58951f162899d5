//! Ratios of earlier runs, checked in: the file's text and a run's medians in; what became better or worse,
//! and the next text, out.
//!
//! A column is a run, a line is a ratio. What is measured in ms says as much of the machine as of the program;
//! so the time of the program that only returns stands there too, and times are compared in units of it.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result, bail, ensure};

use super::goal::{Bound, GOALS, Goal};
use super::print::number;

/// How many times as much something may cost as in the last run.
pub(super) const SLACK: f64 = 1.3;
/// The line that says how fast a machine was.
pub(super) const FLOOR: &str = "floor_ns";
/// The line that says when a run was.
const DATE: &str = "date";
/// Runs that are kept.
const KEPT: usize = 6;
const NOTHING: &str = "-";
const HEAD: &str = "\
# Medians of the bench's ratios by run, the last one rightmost; floor_ns is the machine's speed.
# `cargo xtask bench --quick --check` compares a run with the last one,
# `cargo xtask bench --quick --update-baseline` adds one.
";

/// Medians of a run by the goals' keys, and [`FLOOR`].
pub(super) type Medians = BTreeMap<String, f64>;

/// Runs, the last one last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Baseline {
    runs: Vec<(String, Medians)>,
}

/// What became of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// Nobody measured it before, or not on this occasion either.
    Unknown,
    /// It was measured, and is not any more.
    Gone,
    /// It costs so many times as much as before, within what may be.
    Held(f64),
    /// It costs so many times as much as before.
    Worse(f64),
}

impl Change {
    /// Whether it may go on.
    pub(super) fn is_good(self) -> bool {
        match self {
            Self::Unknown | Self::Held(_) => true,
            Self::Gone | Self::Worse(_) => false,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Gone => write!(f, "NOT MEASURED any more"),
            Self::Held(factor) => write!(f, "{:+.0} %", (factor - 1.0) * 100.0),
            Self::Worse(factor) => write!(f, "WORSE by {:.0} %", (factor - 1.0) * 100.0),
        }
    }
}

/// A ratio from run to run.
pub(super) struct Trend {
    pub(super) goal: Goal,
    /// What it was.
    pub(super) earlier: Vec<Option<f64>>,
    /// What it is.
    pub(super) now: Option<f64>,
    pub(super) change: Change,
}

impl Baseline {
    /// Reads a file.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let is_content = |line: &&str| !line.starts_with('#') && !line.trim().is_empty();
        let mut lines = text.lines().filter(is_content).map(words);
        let Some((DATE, dates)) = lines.next() else {
            bail!("the first line must say when the runs were: {DATE} and days");
        };
        let mut runs: Vec<_> = dates
            .iter()
            .map(|date| ((*date).to_owned(), Medians::new()))
            .collect();
        for (key, values) in lines {
            let is_known = key == FLOOR || GOALS.iter().any(|goal| goal.key == key);
            ensure!(is_known, "the bench measures no {key}");
            ensure!(values.len() == runs.len(), "{key} must say one value a run");
            for ((_, medians), value) in runs.iter_mut().zip(values) {
                if value != NOTHING {
                    let number = value.parse();
                    let number = number.with_context(|| format!("{key}: {value} is no number"))?;
                    medians.insert(key.to_owned(), number);
                }
            }
        }
        Ok(Self { runs })
    }

    /// Days of the runs.
    pub(super) fn dates(&self) -> impl Iterator<Item = &str> {
        self.runs.iter().map(|(date, _)| date.as_str())
    }

    /// What became of each ratio since the last run.
    pub(super) fn compare(&self, now: &Medians) -> Vec<Trend> {
        let nothing = Medians::new();
        let last = self.runs.last().map_or(&nothing, |(_, medians)| medians);
        let trend = |goal: &Goal| Trend {
            goal: *goal,
            earlier: self
                .runs
                .iter()
                .map(|(_, run)| run.get(goal.key).copied())
                .collect(),
            now: now.get(goal.key).copied(),
            change: change(goal, last, now),
        };
        GOALS.iter().map(trend).collect()
    }

    /// With a run more; one of the same day is replaced.
    pub(super) fn with(mut self, date: &str, run: Medians) -> Self {
        self.runs.retain(|(known, _)| known != date);
        self.runs.push((date.to_owned(), run));
        let surplus = self.runs.len().saturating_sub(KEPT);
        self.runs.drain(..surplus);
        self
    }
}

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEAD}{DATE:<32}")?;
        self.dates().try_for_each(|date| write!(f, " {date:>10}"))?;
        writeln!(f)?;
        for key in GOALS.iter().map(|goal| goal.key).chain([FLOOR]) {
            write!(f, "{key:<32}")?;
            for (_, medians) in &self.runs {
                let value = medians.get(key).copied();
                write!(f, " {:>10}", value.map_or(NOTHING.to_owned(), number))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// Two runs of one program on one machine: the better value of each ratio.
pub(super) fn better(one: Medians, other: &Medians) -> Medians {
    let mut best = one;
    for goal in &GOALS {
        let Some(value) = other.get(goal.key).copied() else {
            continue;
        };
        let known = best.entry(goal.key.to_owned()).or_insert(value);
        *known = match goal.bound {
            Bound::AtMost(_) => known.min(value),
            Bound::AtLeast(_) => known.max(value),
        };
    }
    best
}

fn words(line: &str) -> (&str, Vec<&str>) {
    let mut words = line.split_whitespace();
    (words.next().unwrap_or_default(), words.collect())
}

/// How many times as much a goal costs as before. What keeps its bound by far is too small to be compared.
fn change(goal: &Goal, last: &Medians, now: &Medians) -> Change {
    let (then, value) = match (last.get(goal.key), now.get(goal.key)) {
        (None, _) => return Change::Unknown,
        (Some(_), None) => return Change::Gone,
        (Some(then), Some(value)) => (*then, *value),
    };
    let factor = match goal.bound {
        Bound::AtMost(_) => value / then / slowness(goal, last, now),
        Bound::AtLeast(_) => then / value,
    };
    if factor > SLACK && !goal.bound.is_kept_by_far(value) {
        Change::Worse(factor)
    } else {
        Change::Held(factor)
    }
}

/// How many times as long this machine takes for the same; ratios do not mind.
fn slowness(goal: &Goal, last: &Medians, now: &Medians) -> f64 {
    match (last.get(FLOOR), now.get(FLOOR)) {
        (Some(then), Some(now)) if goal.is_time() => now / then,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(values: &[(&str, f64)]) -> Medians {
        let owned = values
            .iter()
            .map(|(key, value)| ((*key).to_owned(), *value));
        owned.collect()
    }

    fn change_of(key: &str, then: &[(&str, f64)], now: &[(&str, f64)]) -> Change {
        let baseline = Baseline::default().with("2026-11-22", run(then));
        let trends = baseline.compare(&run(now));
        let trend = trends.into_iter().find(|trend| trend.goal.key == key);
        trend.unwrap().change
    }

    #[test]
    fn more_than_the_slack_is_worse() {
        for (what, key, then, now, is_good) in [
            ("the same", "denied", 2.0, 2.0, true),
            ("less", "denied", 2.0, 0.5, true),
            ("within the slack", "denied", 2.0, 2.5, true),
            ("beyond it", "denied", 2.0, 2.7, false),
            ("beyond it, the goal met", "denied", 0.8, 1.1, false),
            ("of a lower bound, more", "nft_ct_over_drop", 4.0, 9.0, true),
            (
                "of a lower bound, less",
                "nft_ct_over_drop",
                4.0,
                3.0,
                false,
            ),
            ("tiny, and ten times as much", "flip_ms", 0.01, 0.1, true),
            ("tiny no more", "flip_ms", 0.01, 0.2, false),
        ] {
            let change = change_of(key, &[(key, then)], &[(key, now)]);
            assert_eq!(change.is_good(), is_good, "{what}: {change:?}");
        }
    }

    #[test]
    fn times_are_compared_in_units_of_the_floor_and_ratios_are_not() {
        let slow = |key| {
            change_of(
                key,
                &[(key, 50.0), (FLOOR, 20.0)],
                &[(key, 100.0), (FLOOR, 40.0)],
            )
        };
        assert_eq!(slow("build_100k_ms"), Change::Held(1.0));
        assert_eq!(slow("denied"), Change::Worse(2.0));
        assert_eq!(slow("memory_100k_mb"), Change::Worse(2.0));
    }

    #[test]
    fn what_is_not_measured_any_more_is_a_complaint_and_what_is_new_is_none() {
        assert_eq!(change_of("denied", &[("denied", 1.0)], &[]), Change::Gone);
        assert!(!Change::Gone.is_good());
        assert_eq!(
            change_of("denied", &[], &[("denied", 1.0)]),
            Change::Unknown
        );
        assert_eq!(change_of("denied", &[], &[]), Change::Unknown);
    }

    #[test]
    fn of_two_runs_the_better_values_count() {
        let one = run(&[("denied", 2.0), ("nft_ct_over_drop", 2.0), (FLOOR, 10.0)]);
        let other = run(&[
            ("denied", 1.0),
            ("nft_ct_over_drop", 1.0),
            ("learned", 3.0),
            (FLOOR, 20.0),
        ]);
        let expected = run(&[
            ("denied", 1.0),
            ("nft_ct_over_drop", 2.0),
            ("learned", 3.0),
            (FLOOR, 10.0),
        ]);
        assert_eq!(better(one, &other), expected);
    }

    #[test]
    fn a_file_is_read_as_it_was_written() -> Result<()> {
        let baseline = Baseline::default()
            .with("2026-11-22", run(&[("denied", 5.31), (FLOOR, 19.8)]))
            .with("2026-11-23", run(&[("denied", 1.02), ("flip_ms", 0.010_8)]));
        let text = baseline.to_string();
        assert_eq!(Baseline::parse(&text)?, baseline, "{text}");
        let earlier = &baseline.compare(&Medians::new())[2].earlier;
        assert_eq!(*earlier, [Some(5.31), Some(1.02)]);
        Ok(())
    }

    #[test]
    fn a_run_of_the_same_day_is_replaced_and_old_ones_leave() {
        let mut baseline = Baseline::default();
        for day in [1, 1, 2, 3, 4, 5, 6, 7] {
            baseline = baseline.with(&format!("2026-12-0{day}"), Medians::new());
        }
        let dates: Vec<_> = baseline.dates().collect();
        assert_eq!(dates.first(), Some(&"2026-12-02"), "{dates:?}");
        assert_eq!(dates.len(), KEPT);
    }

    #[test]
    fn files_that_say_something_else_are_refused() {
        for text in [
            "",
            "denied 1.0",
            "date 2026-11-22\ndenied",
            "date 2026-11-22\ndenied 1.0 2.0",
            "date 2026-11-22\ndenied fast",
            "date 2026-11-22\nspeed 1.0",
        ] {
            assert!(Baseline::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_file_in_this_tree_can_be_read() -> Result<()> {
        let baseline = Baseline::parse(include_str!("../../bench/baseline"))?;
        assert!(baseline.dates().next().is_some());
        Ok(())
    }
}
