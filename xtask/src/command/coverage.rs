//! `cargo xtask coverage`: how much of user space, and of what it shares with the kernel's programs, unit tests reach.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::setup;
use crate::{
    checkout::Checkout,
    coverage::{Measured, report::Report},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Also write what each line counted to this folder, as HTML
    #[arg(long, value_name = "DIR")]
    html: Option<PathBuf>,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    let measured = Measured::by_unit_tests(checkout)?;
    if let Some(folder) = &args.html {
        measured.draw(folder)?;
    }
    let report = Report::read(&measured.summary()?, checkout.root())?;
    print!("{report}");
    Ok(if report.is_whole() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
