//! Whether egress-ctl compiles for the other architecture that routers have.

use std::process::Command;

use anyhow::Result;

use crate::{checkout::Checkout, command::build, step, toolchain};

const TARGET: &str = "aarch64-unknown-linux-musl";
/// Compiler and archiver of what TLS brings in C and assembly. A check links nothing, so it takes none of theirs.
const OF_C: [(&str, &str); 2] = [
    ("CC_aarch64_unknown_linux_musl", "true"),
    ("AR_aarch64_unknown_linux_musl", "true"),
];

/// Compiles without linking, with the kernel programs as they are built for that architecture.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", "--toolchain", toolchain::RUST, TARGET]);
    step::run(&mut rustup)?;
    let mut cargo = build::cargo(checkout, "check");
    cargo.args(["-p", "egress-ctl", "--bins", "--target", TARGET]);
    cargo.envs(OF_C);
    step::run(&mut cargo)
}
