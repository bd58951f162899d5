//! `cargo xtask drill NAME`: one of the lab's proofs, with its own flags.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use super::build::Profile;
use crate::{checkout::Checkout, lab};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The drill and its flags: `drill NAME --help` explains one, `drill` alone lists them
    #[arg(
        value_names = ["NAME", "FLAGS"],
        num_args = 0..,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) drill: Vec<OsString>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    lab::hand_over(checkout, ("drill", Profile::Release), &args.drill)
}
