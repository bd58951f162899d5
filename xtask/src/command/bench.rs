//! `cargo xtask bench`: what the filter costs beside what others use, with its own flags.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::{build::Profile, setup};
use crate::{checkout::Checkout, lab};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take the program of the tests instead of a release, which takes minutes to build: the kernel's programs
    /// are the same
    #[arg(long)]
    tested: bool,
    /// The bench's flags: `bench --help` explains them
    #[arg(
        value_name = "FLAGS",
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    bench: Vec<OsString>,
}

/// Ratios of earlier runs, relative to the checkout.
const BASELINE: &str = "tests/bench/baseline";

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    setup::for_bench(checkout)?;
    let baseline = checkout.root().join(BASELINE);
    let mut flags = vec!["--baseline".into(), baseline.into()];
    flags.extend_from_slice(&args.bench);
    let profile = match args.tested {
        true => Profile::Checked,
        false => Profile::Release,
    };
    lab::hand_over(checkout, ("bench", profile), &flags)
}
