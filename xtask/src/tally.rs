//! What the test binaries reported, line by line, its sum, and once more what those said that failed.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use crate::vm::transcript::skip_reason;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    passed: u64,
    failed: u64,
    ignored: u64,
    failures: Vec<String>,
    /// What they printed.
    said: Vec<String>,
    /// Whether the next lines are that: they stand between the heading of failures and that of their list.
    is_said: bool,
    /// Tests that passed only because they say that they are skipped, by their reason.
    skips: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += count(result, "passed");
            self.failed += count(result, "failed");
            self.ignored += count(result, "ignored");
            self.is_said = false;
        } else if line == "failures:" {
            self.is_said = !self.is_said;
        } else if self.is_said {
            self.said.push(line.to_owned());
        } else if let Some(name) = failure(line) {
            self.failures.push(name.to_owned());
        } else if let Some(reason) = skip_reason(line) {
            *self.skips.entry(reason.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.passed + self.failed == 0
    }

    /// What the tests that failed said: elsewhere it stands among what all others did.
    pub(crate) fn said(&self) -> &[String] {
        &self.said
    }
}

/// The number before `what` in `ok. 3 passed; 0 failed; 1 ignored; ...`.
fn count(result: &str, what: &str) -> u64 {
    let parts = result.split(['.', ';']).map(str::trim);
    let number = parts
        .filter_map(|part| part.strip_suffix(what)?.trim_end().parse().ok())
        .next();
    number.unwrap_or(0)
}

fn failure(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

impl Display for Tally {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            ignored,
            failures,
            skips,
            ..
        } = self;
        let skipped: u64 = skips.values().sum();
        let passed = passed.saturating_sub(skipped);
        write!(
            out,
            "{passed} passed, {failed} failed, {skipped} skipped, {ignored} ignored"
        )?;
        skips
            .iter()
            .try_for_each(|(reason, times)| write!(out, "\n  {times} skipped: {reason}"))?;
        failures
            .iter()
            .try_for_each(|name| write!(out, "\n  failed: {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_add_up() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test learn::a_shared_address_keeps_both_names ... ok",
            "test swap::nothing_leaks ... FAILED",
            "successes:",
            "---- learn::a_shared_address_keeps_both_names stdout ----",
            "seed 7",
            "failures:",
            "---- swap::nothing_leaks stdout ----",
            "Error: 3 of 400 passed",
            "failures:",
            "    swap::nothing_leaks",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "skipped: vlan::one_tag: no VLAN devices",
            "skipped: vlan::two_tags: no VLAN devices",
            "test result: ok. 40 passed; 0 failed; 2 ignored; 0 measured; 7 filtered out; finished in 1.20s",
        ] {
            tally.read(line);
        }
        assert_eq!(
            tally.to_string(),
            "40 passed, 1 failed, 2 skipped, 2 ignored\n  2 skipped: no VLAN devices\n  failed: swap::nothing_leaks"
        );
        assert_eq!(
            tally.said(),
            [
                "---- swap::nothing_leaks stdout ----",
                "Error: 3 of 400 passed"
            ]
        );
    }

    #[test]
    fn binaries_without_tests_leave_it_empty() {
        let mut tally = Tally::default();
        tally.read("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 9 filtered out; finished in 0.00s");
        assert!(tally.is_empty());
    }
}
