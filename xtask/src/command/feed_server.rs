//! `cargo xtask feed-server DIR`: the lab's web service over a folder, with its own flags.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::build::Profile;
use crate::{checkout::Checkout, lab};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder and the server's flags: `feed-server --help` explains them
    #[arg(
        value_names = ["DIR", "FLAGS"],
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    server: Vec<OsString>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    lab::hand_over_to_anyone(checkout, ("feed-server", Profile::Checked), &args.server)
}
