//! `cargo xtask demo`: the lab's demo, from a fresh clone on.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::build::Profile;
use crate::{checkout::Checkout, lab};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the outcomes as JSON on stdout, and everything else on stderr
    #[arg(long)]
    json: bool,
    /// Leave the lab up, and print how to enter it
    #[arg(long)]
    keep: bool,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    lab::hand_over(checkout, ("demo", Profile::Checked), &args.flags())
}

impl Args {
    fn flags(&self) -> Vec<OsString> {
        let all = [(self.json, "--json"), (self.keep, "--keep")];
        let set = all.into_iter().filter(|(set, _)| *set);
        set.map(|(_, flag)| flag.into()).collect()
    }
}
