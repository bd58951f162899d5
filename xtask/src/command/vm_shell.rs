//! `cargo xtask vm-shell`: a shell on a kernel that routers run, for a person.

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

use anyhow::{Result, ensure};

use super::setup;
use crate::{
    checkout::Checkout,
    vm::{
        kernel::{Fetch, Line},
        lab::Fetched,
    },
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The kernel: 6.1, 6.12 or newest
    #[arg(long, value_name = "NAME", default_value = "6.1")]
    kernel: String,
    /// Use no network: kernel, QEMU and crates as they were fetched before
    #[arg(long)]
    offline: bool,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    let line = Line::named(&args.kernel)?;
    ensure!(io::stdin().is_terminal(), "a shell needs a terminal");
    let fetch = if args.offline {
        Fetch::Never
    } else {
        Fetch::Missing
    };
    setup::everything(checkout)?;
    let lab = Fetched::obtain(checkout, &[line], fetch)?.build(checkout, fetch)?;
    let ended = lab.shell()?;
    Ok(if ended.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
