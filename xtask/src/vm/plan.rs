//! What the guest is to do: one word and its arguments a line, as tests/init/plan.rs reads it.

use std::{
    fmt::{self, Display, Formatter},
    path::Path,
    time::Duration,
};

/// Where the guest looks for it.
pub(crate) const FILE: &str = "/egress-vm/plan";

/// Lines for the guest's init.
#[derive(Default)]
pub(crate) struct Plan {
    lines: Vec<String>,
}

impl Plan {
    pub(crate) fn module(&mut self, file: &Path) {
        self.line("module", &[&file.display()]);
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.line("set", &[&name, &value]);
    }

    pub(crate) fn object(&mut self, file: &Path) {
        self.line("object", &[&file.display()]);
    }

    pub(crate) fn program(&mut self, file: &Path) {
        self.line("program", &[&file.display()]);
    }

    pub(crate) fn tests(&mut self, tests: &Tests) {
        for name in &tests.self_tests {
            self.line("self-test", &[name]);
        }
        for pattern in &tests.patterns {
            self.line("pattern", &[pattern]);
        }
        self.line("limit", &[&tests.limit.as_secs()]);
        self.line("jobs", &[&tests.jobs]);
    }

    pub(crate) fn shell(&mut self) {
        self.line("shell", &[]);
    }

    fn line(&mut self, word: &str, arguments: &[&dyn Display]) {
        let mut line = word.to_owned();
        for argument in arguments {
            line.push_str(&format!(" {argument}"));
        }
        self.lines.push(line);
    }
}

impl Display for Plan {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        self.lines
            .iter()
            .try_for_each(|line| writeln!(out, "{line}"))
    }
}

/// Which tests run, and how.
#[derive(Clone, Debug)]
pub(crate) struct Tests {
    /// Only those whose names contain one of these; all if there is none.
    pub(crate) patterns: Vec<String>,
    /// Tests of the harness itself, instead of all others.
    pub(crate) self_tests: Vec<String>,
    /// How long one may take.
    pub(crate) limit: Duration,
    /// How many run at once in a guest.
    pub(crate) jobs: usize,
    /// How many guests of a kernel share them.
    pub(crate) guests: usize,
}
