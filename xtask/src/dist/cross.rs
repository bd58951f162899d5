//! Whether egress-ctl compiles for the other architecture that routers have.

use std::process::Command;

use anyhow::Result;

use crate::{checkout::Checkout, command::build, step, toolchain};

const TARGET: &str = "aarch64-unknown-linux-musl";

/// Compiles without linking, with the kernel programs as they are built for that architecture.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "--toolchain", toolchain::RUST, TARGET]);
    step::run(&mut rustup)?;
    let mut cargo = build::cargo(checkout, "check");
    cargo.args(["-p", "egress-ctl", "--bins", "--target", TARGET]);
    step::run(&mut cargo)
}
