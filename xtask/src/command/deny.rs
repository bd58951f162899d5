//! `cargo xtask deny`: what the dependencies are allowed to be, by cargo-deny and deny.toml.

use std::process::{Command, ExitCode};

use anyhow::Result;

use super::setup;
use crate::{checkout::Checkout, step, tool::Tool};

/// Not part of setup: building egress does not take it.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    takes: "a minute",
};

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    CARGO_DENY.ensure(checkout)?;
    step::run(cargo_deny(checkout).args(["check", "licenses", "bans", "sources"]))?;
    if step::run(cargo_deny(checkout).args(["fetch", "db"])).is_ok() {
        step::run(cargo_deny(checkout).args(["check", "--disable-fetch", "advisories"]))?;
    } else {
        eprintln!("deny: advisories NOT checked: their database could not be fetched");
    }
    Ok(ExitCode::SUCCESS)
}

fn cargo_deny(checkout: &Checkout) -> Command {
    let mut command = CARGO_DENY.command(checkout);
    command.arg("--locked");
    command
}
