//! `cargo xtask sbom`: what the program is made of, in target/dist.

use std::process::ExitCode;

use anyhow::Result;

use super::setup;
use crate::{checkout::Checkout, dist::sbom};

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    for file in sbom::make(checkout)? {
        println!("{}", file.display());
    }
    Ok(ExitCode::SUCCESS)
}
