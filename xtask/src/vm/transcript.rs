//! What a guest has told so far: markers in, results of tests and programs out.

use std::time::Duration;

use super::marker::{End, Marker, Verified};

/// Everything that a run told.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    /// The kernel's release, once the init runs.
    pub(crate) release: Option<String>,
    pub(crate) verified: Vec<Verified>,
    pub(crate) refused: Vec<String>,
    pub(crate) results: Vec<TestResult>,
    /// Tests that have started and not ended.
    pub(crate) running: Vec<String>,
    pub(crate) done: bool,
    /// Tests that said that they are skipped, and why.
    skips: Vec<(String, String)>,
}

/// What became of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TestResult {
    pub(crate) test: String,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It was ended at its time limit.
    Hung,
    /// For this reason.
    Skipped(String),
}

impl Transcript {
    pub(crate) fn take(&mut self, marker: Marker) {
        match marker {
            Marker::Began { kernel } => self.release = Some(kernel),
            Marker::Verified(verified) => self.verified.push(verified),
            Marker::Refused { program } => self.refused.push(program),
            Marker::Started { test } => self.running.push(test),
            Marker::Said { test, line } => {
                if let Some(reason) = skip_reason(&line) {
                    self.skips.push((test, reason.to_owned()));
                }
            }
            Marker::Ended {
                test,
                end,
                milliseconds,
            } => self.end(test, end, Duration::from_millis(milliseconds)),
            Marker::Done => self.done = true,
        }
    }

    fn end(&mut self, test: String, end: End, took: Duration) {
        self.running.retain(|running| *running != test);
        let skip = self.skips.iter().find(|(skipped, _)| *skipped == test);
        let outcome = match (end, skip) {
            (End::Passed, Some((_, reason))) => Outcome::Skipped(reason.clone()),
            (End::Passed, None) => Outcome::Passed,
            (End::Failed, _) => Outcome::Failed,
            (End::Hung, _) => Outcome::Hung,
        };
        self.results.push(TestResult {
            test,
            outcome,
            took,
        });
    }

    /// How many tests ended in one of these ways.
    pub(crate) fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.results
            .iter()
            .filter(|result| is(&result.outcome))
            .count()
    }
}

/// Of `skipped: TEST: REASON`, which is how a test says that this kernel or host lacks something.
///
/// Rust's harness leaves `test TEST ... ` open in front of the first line that a test prints.
pub(crate) fn skip_reason(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("test ") {
        Some(open) => open.split_once(" ... ")?.1,
        None => line,
    };
    let (_, reason) = line.strip_prefix("skipped: ")?.split_once(": ")?;
    Some(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(lines: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for line in lines {
            transcript.take(line.parse().expect(line));
        }
        transcript
    }

    #[test]
    fn every_end_is_told_apart() {
        let told = transcript(&[
            "began 6.1.0-56-cloud-amd64",
            "started flows::a",
            "started hooks::tcx",
            "ended flows::a passed 10",
            "started flows::b",
            "said hooks::tcx test tcx ... skipped: hooks::tcx: no TCX: before Linux 6.6",
            "ended hooks::tcx passed 20",
            "ended flows::b failed 30",
            "started flows::c",
            "ended flows::c hung 120000",
            "started flows::d",
            "said flows::d skipped: flows::d: no such device",
            "ended flows::d failed 5",
            "done",
        ]);
        let outcomes: Vec<_> = told.results.iter().map(|result| &result.outcome).collect();
        let skipped = Outcome::Skipped("no TCX: before Linux 6.6".to_owned());
        assert_eq!(
            outcomes,
            [
                &Outcome::Passed,
                &skipped,
                &Outcome::Failed,
                &Outcome::Hung,
                &Outcome::Failed
            ]
        );
        assert!(told.done);
        assert_eq!(told.running, [""; 0]);
    }

    #[test]
    fn what_still_runs_is_known() {
        let told = transcript(&[
            "began 6.1",
            "started a::b",
            "started a::c",
            "ended a::b passed 1",
        ]);
        assert_eq!(told.running, ["a::c"]);
        assert!(!told.done);
    }
}
