//! The targets' programs, by cargo-fuzz and the pinned Rust, with its address sanitizer.

use std::{path::PathBuf, process::Command};

use anyhow::{Context as _, Result};

use super::{CRATE, folder};
use crate::{checkout::Checkout, step, tool::Tool, toolchain};

/// Not part of setup: building egress does not take it.
const CARGO_FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    takes: "two minutes",
};

/// The names of all targets.
pub(crate) fn targets(checkout: &Checkout) -> Result<Vec<String>> {
    CARGO_FUZZ.ensure(checkout)?;
    let listed = step::output(&mut cargo_fuzz(checkout, "list"));
    let listed = listed.context("cargo-fuzz lists no targets")?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Builds them, and says where they are.
pub(crate) fn build(checkout: &Checkout, names: &[String]) -> Result<PathBuf> {
    let host = toolchain::host()?;
    // Apart from everything else: build scripts that see RUSTC_BOOTSTRAP decide otherwise.
    let folder = folder(checkout);
    let mut build = cargo_fuzz(checkout, "build");
    build.args(["--target", &host, "--target-dir"]).arg(&folder);
    // It takes one name, or none for all.
    if let [name] = names {
        build.arg(name);
    }
    // Sanitizers are not stable.
    step::run(build.env("RUSTC_BOOTSTRAP", "1"))?;
    Ok(folder.join(host).join("release"))
}

fn cargo_fuzz(checkout: &Checkout, task: &str) -> Command {
    let mut command = CARGO_FUZZ.command(checkout);
    command.args([task, "--fuzz-dir", CRATE]);
    command
}
