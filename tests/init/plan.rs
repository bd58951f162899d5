//! What the VM is to do, as xtask wrote it: one word and its arguments a line.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

/// Where xtask puts it.
pub const FILE: &str = "/egress-vm/plan";

/// The lines of the plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Kernel modules, each behind those that it needs.
    pub modules: Vec<PathBuf>,
    /// Variables for everything that runs.
    pub environment: Vec<(String, String)>,
    /// The kernel object that the verifier is asked about.
    pub object: Option<PathBuf>,
    /// The program that holds the tests.
    pub program: Option<PathBuf>,
    /// Tests of the harness itself.
    pub self_tests: Vec<String>,
    /// Only tests whose names contain one of these; all if there is none.
    pub patterns: Vec<String>,
    /// How long one test may take.
    pub limit: Duration,
    /// How many tests run at once.
    pub jobs: usize,
    /// A shell instead of tests.
    pub shell: bool,
}

impl Plan {
    pub fn read(file: &str) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self> {
        let mut plan = Self::default();
        for line in text.lines() {
            plan.take(line)
                .with_context(|| format!("in the plan: {line}"))?;
        }
        Ok(plan)
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match *words.as_slice() {
            ["module", path] => self.modules.push(path.into()),
            ["set", name, value] => self.environment.push((name.to_owned(), value.to_owned())),
            ["object", path] => self.object = Some(path.into()),
            ["program", path] => self.program = Some(path.into()),
            ["self-test", name] => self.self_tests.push(name.to_owned()),
            ["pattern", pattern] => self.patterns.push(pattern.to_owned()),
            ["limit", seconds] => self.limit = Duration::from_secs(seconds.parse()?),
            ["jobs", jobs] => self.jobs = jobs.parse()?,
            ["shell"] => self.shell = true,
            _ => bail!("no such word, or the wrong arguments"),
        }
        Ok(())
    }

    /// Whether a test is wanted.
    pub fn wants(&self, test: &str) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| test.contains(pattern))
    }
}
