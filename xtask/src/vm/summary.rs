//! What came of all kernels: runs and budgets in, tables and a verdict out.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use super::{
    budget::Budget,
    fate::Fate,
    run::Run,
    table::table,
    transcript::{Outcome, TestResult},
};
use crate::row;

/// Tables of results and programs, and all complaints.
pub(crate) struct Summary<'a> {
    runs: &'a [Run],
    budget: &'a Budget,
    complaints: Vec<String>,
    over_budget: Vec<String>,
}

impl<'a> Summary<'a> {
    pub(crate) fn of(runs: &'a [Run], budget: &'a Budget) -> Self {
        let idle = kernels(runs).filter_map(idle);
        Self {
            complaints: runs.iter().flat_map(complaints).chain(idle).collect(),
            over_budget: runs
                .iter()
                .flat_map(|run| over_budget(run, budget))
                .collect(),
            runs,
            budget,
        }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.complaints.is_empty() && self.over_budget.is_empty()
    }

    /// Over all kernels.
    pub(crate) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.runs.iter().map(|run| run.transcript.count(&is)).sum()
    }

    /// Tests that had not ended when their guest did.
    pub(crate) fn unfinished(&self) -> usize {
        self.runs
            .iter()
            .map(|run| run.transcript.running.len())
            .sum()
    }

    fn results(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row![
            "kernel", "release", "passed", "failed", "hung", "skipped", "seconds"
        ]];
        for guests in kernels(self.runs) {
            let Some(first) = guests.first() else {
                continue;
            };
            let count = |is: fn(&Outcome) -> bool| -> usize {
                guests.iter().map(|run| run.transcript.count(is)).sum()
            };
            rows.push(row![
                first.kernel,
                first.transcript.release.as_deref().unwrap_or("-"),
                count(|outcome| *outcome == Outcome::Passed),
                count(|outcome| *outcome == Outcome::Failed),
                count(|outcome| *outcome == Outcome::Hung),
                count(|outcome| matches!(outcome, Outcome::Skipped(_))),
                took(guests),
            ]);
        }
        rows
    }

    /// Each measure with what it may be.
    fn programs(&self) -> Vec<Vec<String>> {
        let mut rows = vec![row![
            "kernel",
            "program",
            "instructions",
            "budget",
            "stack",
            "budget",
            "verify ms",
            "budget"
        ]];
        for run in self.runs {
            for verified in &run.transcript.verified {
                let line = self.budget.of(run.kernel, &verified.program);
                let may = |of: fn(&super::budget::Line) -> u64| {
                    line.map_or("-".to_owned(), |line| of(line).to_string())
                };
                rows.push(row![
                    run.kernel,
                    verified.program,
                    verified.instructions,
                    may(|line| line.instructions),
                    verified.stack,
                    may(|line| line.stack),
                    verified.microseconds / 1000,
                    may(|line| line.milliseconds),
                ]);
            }
        }
        rows
    }

    fn skips(&self) -> BTreeMap<String, usize> {
        let mut reasons = BTreeMap::new();
        for run in self.runs {
            for result in &run.transcript.results {
                if let Outcome::Skipped(reason) = &result.outcome {
                    *reasons
                        .entry(format!("{}: {reason}", run.kernel))
                        .or_default() += 1;
                }
            }
        }
        reasons
    }
}

fn over_budget(run: &Run, budget: &Budget) -> Vec<String> {
    let verified = run.transcript.verified.iter();
    let over = verified.flat_map(|verified| budget.complaints(run.kernel, verified));
    over.collect()
}

fn complaints(run: &Run) -> Vec<String> {
    let (kernel, told) = (run.kernel, &run.transcript);
    let mut complaints = Vec::new();
    if run.fate != Fate::Done {
        complaints.push(format!("{kernel}: {}", run.explanation));
    }
    let failed = told
        .results
        .iter()
        .filter_map(|TestResult { test, outcome, .. }| {
            let word = match outcome {
                Outcome::Failed => "failed",
                Outcome::Hung => "hung, and was ended at its time limit",
                Outcome::Passed | Outcome::Skipped(_) => return None,
            };
            Some(format!("{kernel}: {test} {word}"))
        });
    complaints.extend(failed);
    let refused = told.refused.iter();
    complaints.extend(refused.map(|name| format!("{kernel}: the verifier refuses {name}")));
    complaints
}

/// The guests of each kernel.
pub(crate) fn kernels(runs: &[Run]) -> impl Iterator<Item = &[Run]> {
    runs.chunk_by(|one, next| one.kernel == next.kernel)
}

/// Guests that end well without a test among them.
fn idle(guests: &[Run]) -> Option<String> {
    let is_idle = |run: &Run| run.fate == Fate::Done && run.transcript.results.is_empty();
    let kernel = guests.first()?.kernel;
    guests
        .iter()
        .all(is_idle)
        .then(|| format!("{kernel}: no test ran"))
}

/// Seconds of the guests of a kernel, each.
fn took(guests: &[Run]) -> String {
    let seconds = guests.iter().map(|run| run.took.as_secs().to_string());
    seconds.collect::<Vec<_>>().join(" + ")
}

impl Display for Summary<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", table(&self.results()))?;
        let programs = self.programs();
        if programs.len() > 1 {
            writeln!(out, "{}", table(&programs))?;
        }
        for (reason, times) in self.skips() {
            writeln!(out, "{times} skipped on {reason}")?;
        }
        for complaint in self.complaints.iter().chain(&self.over_budget) {
            writeln!(out, "{complaint}")?;
        }
        if !self.over_budget.is_empty() {
            writeln!(
                out,
                "`cargo xtask vm-test --update-budget` makes what was measured the budget"
            )?;
        }
        Ok(())
    }
}
