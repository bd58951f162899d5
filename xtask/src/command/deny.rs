//! `cargo xtask deny`: what the dependencies are allowed to be, by cargo-deny and deny.toml.

use std::process::{Command, ExitCode};

use anyhow::Result;

use super::setup;
use crate::{checkout::Checkout, step, toolchain};

const VERSION: &str = "0.20.2";

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    install(checkout)?;
    step::run(cargo_deny(checkout).args(["check", "licenses", "bans", "sources"]))?;
    if step::run(cargo_deny(checkout).args(["fetch", "db"])).is_ok() {
        step::run(cargo_deny(checkout).args(["check", "--disable-fetch", "advisories"]))?;
    } else {
        eprintln!("deny: advisories NOT checked: their database could not be fetched");
    }
    Ok(ExitCode::SUCCESS)
}

/// Not part of setup: building egress does not take it, and it builds for minutes.
fn install(checkout: &Checkout) -> Result<()> {
    let answer = step::output(cargo_deny(checkout).arg("--version"));
    if answer.is_some_and(|answer| answer.trim_end() == format!("cargo-deny {VERSION}")) {
        return Ok(());
    }
    eprintln!("deny: building cargo-deny {VERSION}, about three minutes");
    let mut cargo = toolchain::command("cargo");
    cargo.args([
        "install",
        "cargo-deny",
        "--version",
        VERSION,
        "--locked",
        "--force",
    ]);
    step::run(cargo.arg("--root").arg(checkout.tools()))
}

fn cargo_deny(checkout: &Checkout) -> Command {
    let mut command = toolchain::command(checkout.tools().join("bin/cargo-deny"));
    command.arg("--locked").current_dir(checkout.root());
    command
}
