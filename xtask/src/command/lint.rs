//! `cargo xtask lint`: formatting and clippy, with every warning an error.

use std::process::ExitCode;

use anyhow::Result;

use super::{build::cargo, setup};
use crate::{checkout::Checkout, step, toolchain};

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    format(checkout)?;
    host_crates(checkout)?;
    bpf_crate(checkout)?;
    eprintln!("lint: formatting and clippy have nothing to say");
    Ok(ExitCode::SUCCESS)
}

fn format(checkout: &Checkout) -> Result<()> {
    let mut cargo = toolchain::command("cargo");
    step::run(
        cargo
            .args(["fmt", "--all", "--check"])
            .current_dir(checkout.root()),
    )
}

fn host_crates(checkout: &Checkout) -> Result<()> {
    let mut clippy = cargo(checkout, "clippy");
    clippy.args(["--workspace", "--exclude", "egress-ebpf", "--all-targets"]);
    step::run(clippy.args(["--", "--deny", "warnings"]))
}

/// Flags and linker come from .cargo/config.toml, as for the build itself.
fn bpf_crate(checkout: &Checkout) -> Result<()> {
    let mut clippy = toolchain::command("cargo");
    clippy.args(["clippy", "--package", "egress-ebpf", "--release"]);
    clippy.args(["--target", "bpfel-unknown-none", "-Z", "build-std=core"]);
    // A folder of its own: build scripts that see RUSTC_BOOTSTRAP decide otherwise than those of the host.
    clippy
        .arg("--target-dir")
        .arg(checkout.target().join("lint-bpf"));
    clippy
        .env("RUSTC_BOOTSTRAP", "1")
        .current_dir(checkout.root());
    step::run(clippy.args(["--", "--deny", "warnings"]))
}
