//! `cargo xtask soak`: the lab under mixed traffic while everything around it changes and fails, with its own flags.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::build::Profile;
use crate::{checkout::Checkout, lab};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The soak's flags: `soak --help` explains them
    #[arg(
        value_name = "FLAGS",
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    soak: Vec<OsString>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    lab::hand_over(checkout, ("soak", Profile::Checked), &args.soak)
}
