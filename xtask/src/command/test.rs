//! `cargo xtask test`: every test of the workspace, a few of them in a VM as well, then their sum.

use std::{
    env,
    ffi::OsString,
    io::{BufRead as _, BufReader},
    num::NonZero,
    process::{Command, ExitCode, ExitStatus, Stdio},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};

use super::{
    build::{self, Profile},
    setup,
    vm_test::{self, Short},
};
use crate::{checkout::Checkout, privilege, step, tally::Tally};

/// Names how many tests of a program run at once, to the harness that Rust builds around tests.
const THREADS: &str = "RUST_TEST_THREADS";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Run only the tests whose names contain this, and none in a VM
    filter: Option<String>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    privilege::require("test")?;
    setup::everything(checkout)?;
    let built = build::both(checkout, Profile::Checked)?;
    let mut tests = build::cargo(checkout, "test");
    tests.args(["--workspace", "--no-fail-fast"]);
    for package in build::BPF_CRATES.into_iter().chain([build::FUZZ]) {
        tests.args(["--exclude", package]);
    }
    Profile::Checked.choose(&mut tests);
    tests
        .args(&args.filter)
        // What a test that passes says of a skip.
        .args(["--", "--show-output"])
        .env("EGRESS_CTL", &built.controller)
        .env(THREADS, threads());
    let start = Instant::now();
    let (status, tally) = watch(&mut tests)?;
    let vm = match args.filter {
        None => vm_test::short(checkout)?,
        Some(_) => Short::NotRun("only some tests were asked for".to_owned()),
    };
    let seconds = start.elapsed().as_secs();
    if !tally.said().is_empty() {
        println!("\ntest: what failed said:\n{}", tally.said().join("\n"));
    }
    println!("\ntest: {tally}\ntest: {vm}\ntest: {seconds} s");
    if tally.is_empty() {
        println!("test: no test ran");
    }
    let good = status.success() && !tally.is_empty() && vm.is_good();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// How many tests run at once: as somebody says, or one more than there are CPUs, since tests wait for packets that do
/// not come.
fn threads() -> OsString {
    env::var_os(THREADS).unwrap_or_else(|| {
        let cpus = thread::available_parallelism().map_or(1, NonZero::get);
        (cpus + 1).to_string().into()
    })
}

/// Passes every line on as it comes.
fn watch(tests: &mut Command) -> Result<(ExitStatus, Tally)> {
    let mut child = tests
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", step::line(tests)))?;
    let mut tally = Tally::default();
    let stdout = child.stdout.take().context("the tests have no output")?;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        println!("{line}");
        tally.read(&line);
    }
    Ok((child.wait()?, tally))
}
