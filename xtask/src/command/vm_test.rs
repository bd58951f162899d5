//! `cargo xtask vm-test`: the integration tests on the kernels that routers run.

use std::{
    fmt::{self, Display, Formatter},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Result, bail, ensure};

use super::setup;
use crate::{
    checkout::Checkout,
    vm::{
        budget::Budget,
        kernel::{FLOOR, Fetch, LINES, Line},
        lab::Fetched,
        plan::Tests,
        run::Run,
        summary::{Summary, kernels},
        transcript::Outcome,
    },
};

/// What the default test run boots a VM for: what a host cannot show.
const SHORT: [&str; 2] = ["hooks::xdp_generic", "packets::"];
/// Two to three minutes where nothing else runs.
const SHORT_LIMIT: Duration = Duration::from_secs(600);
/// How long one test may take, of which a start of the daemon may be a minute.
const TEST_LIMIT: Duration = Duration::from_secs(240);
/// One more than a guest has CPUs: tests wait for packets that do not come.
const JOBS: usize = 2;
/// Guests that share all tests of a kernel: what two CPUs are kept busy with.
const GUESTS: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A kernel to run on: 6.1, 6.12 or newest; all of them if none is named
    #[arg(long = "kernel", value_name = "NAME")]
    kernels: Vec<String>,
    /// Run only the tests whose names, such as flows::a_reload_keeps_what_was_learned, contain this
    #[arg(long = "test", value_name = "PATTERN")]
    tests: Vec<String>,
    /// Use no network: kernels, QEMU and crates as they were fetched before
    #[arg(long, conflicts_with = "pin")]
    offline: bool,
    /// End a VM that takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
    /// Take the newest kernels of the mirror, and write them to tests/vm/kernels
    #[arg(long)]
    pin: bool,
    /// Write what the verifier needed, and some room, to tests/vm/budget
    #[arg(long)]
    update_budget: bool,
    /// Run a test of the harness itself: pass, fail, skip, hang, panic, reboot or freeze
    #[arg(long = "self-test", value_name = "NAME", hide = true)]
    self_tests: Vec<String>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    let lines = lines(&args.kernels)?;
    let mut budget = Budget::read(checkout)?;
    setup::everything(checkout)?;
    let fetched = Fetched::obtain(checkout, &lines, args.fetch())?;
    let lab = fetched.build(checkout, args.fetch())?;
    let limit = Duration::from_secs(args.timeout);
    let runs = lab.run(&args.tests(), limit)?;
    if args.update_budget {
        update(&mut budget, &runs)?;
    }
    Ok(if tell(&runs, &budget) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What came of the VM of the default test run.
pub(crate) enum Short {
    /// All is well, or not.
    Ran { good: bool },
    /// It could not run, for this reason.
    NotRun(String),
}

impl Short {
    /// Without a VM the other tests decide.
    pub(crate) fn is_good(&self) -> bool {
        !matches!(self, Self::Ran { good: false })
    }
}

impl Display for Short {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let kernel = FLOOR.name;
        match self {
            Self::Ran { good: true } => write!(out, "the VM with kernel {kernel} has no complaint"),
            Self::Ran { good: false } => {
                write!(out, "the VM with kernel {kernel} FAILED, see above")
            }
            Self::NotRun(reason) => write!(out, "no VM ran: {reason}"),
        }
    }
}

/// Boots the oldest kernel for a few tests, where that can be done.
pub(crate) fn short(checkout: &Checkout) -> Result<Short> {
    let fetched = match Fetched::obtain(checkout, &[FLOOR], Fetch::Missing) {
        Ok(fetched) => fetched,
        Err(error) => return Ok(Short::NotRun(format!("{error:#}"))),
    };
    let lab = fetched.build(checkout, Fetch::Missing)?;
    let tests = Tests {
        patterns: SHORT.map(str::to_owned).to_vec(),
        self_tests: Vec::new(),
        limit: TEST_LIMIT,
        jobs: JOBS,
        guests: GUESTS,
    };
    let runs = lab.run(&tests, SHORT_LIMIT)?;
    let good = tell(&runs, &Budget::read(checkout)?);
    Ok(Short::Ran { good })
}

impl Args {
    fn fetch(&self) -> Fetch {
        match (self.offline, self.pin) {
            (true, _) => Fetch::Never,
            (false, true) => Fetch::Newest,
            (false, false) => Fetch::Missing,
        }
    }

    fn tests(&self) -> Tests {
        Tests {
            patterns: self.tests.clone(),
            self_tests: self.self_tests.clone(),
            // A test that hangs is to be known before the whole VM is ended.
            limit: TEST_LIMIT.min(Duration::from_secs(self.timeout.div_ceil(2))),
            jobs: JOBS,
            // Of a few tests each guest would boot for fewer.
            guests: if self.tests.is_empty() && self.self_tests.is_empty() {
                GUESTS
            } else {
                1
            },
        }
    }
}

/// As named, each once.
fn lines(names: &[String]) -> Result<Vec<Line>> {
    if names.is_empty() {
        return Ok(LINES.to_vec());
    }
    let mut lines = Vec::new();
    for name in names {
        let line = Line::named(name)?;
        ensure!(!lines.contains(&line), "kernel {name} is named twice");
        lines.push(line);
    }
    Ok(lines)
}

fn update(budget: &mut Budget, runs: &[Run]) -> Result<()> {
    for guests in kernels(runs) {
        let told = guests.iter().map(|run| &run.transcript);
        let is_refused = told.clone().any(|told| !told.refused.is_empty());
        // The first guest of a kernel asks the verifier.
        if let Some(run) = guests.first() {
            let verified = &run.transcript.verified;
            if is_refused || verified.is_empty() {
                bail!(
                    "no budget is written: {} did not load all programs",
                    run.kernel
                );
            }
            budget.update(run.kernel, verified)?;
        }
    }
    Ok(())
}

/// Prints the summary; true if there is nothing to complain of.
fn tell(runs: &[Run], budget: &Budget) -> bool {
    let summary = Summary::of(runs, budget);
    println!("\n{summary}");
    let count = |is: fn(&Outcome) -> bool| summary.count(is);
    println!(
        "vm-test: {} passed, {} failed, {} skipped",
        count(|outcome| *outcome == Outcome::Passed),
        count(|outcome| matches!(outcome, Outcome::Failed | Outcome::Hung)) + summary.unfinished(),
        count(|outcome| matches!(outcome, Outcome::Skipped(_))),
    );
    summary.is_good()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_are_taken_as_named_and_each_once() {
        let named = |names: &[&str]| {
            lines(
                &names
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(named(&[]).expect("all"), LINES);
        assert_eq!(
            named(&["newest", "6.1"]).expect("two"),
            [LINES[2], LINES[0]]
        );
        assert!(named(&["6.1", "6.1"]).is_err());
        assert!(named(&["5.10"]).is_err());
    }
}
