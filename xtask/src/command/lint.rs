//! `cargo xtask lint`: formatting and clippy, with every warning an error.

use std::process::ExitCode;

use anyhow::Result;

use super::{
    build::{BPF_CRATES, FUZZ, cargo},
    setup,
};
use crate::{checkout::Checkout, step, toolchain};

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    format(checkout)?;
    host_crates(checkout)?;
    with_log(checkout)?;
    bpf_crates(checkout, &[])?;
    bpf_crates(checkout, &["--features", "egress-ebpf/log"])?;
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
    clippy.args(["--workspace", "--all-targets"]);
    for package in BPF_CRATES.into_iter().chain([FUZZ]) {
        clippy.args(["--exclude", package]);
    }
    step::run(clippy.args(["--", "--deny", "warnings"]))
}

/// The controller as it is built for logs of the kernel programs.
fn with_log(checkout: &Checkout) -> Result<()> {
    let mut clippy = cargo(checkout, "clippy");
    clippy.args(["--package", "egress-ctl", "--all-targets"]);
    clippy.args(["--features", "bpf-log"]);
    step::run(clippy.args(["--", "--deny", "warnings"]))
}

/// Flags and linker come from .cargo/config.toml, as for the build itself.
fn bpf_crates(checkout: &Checkout, features: &[&str]) -> Result<()> {
    let mut clippy = toolchain::command("cargo");
    clippy.args(["clippy", "--release"]).args(features);
    for package in BPF_CRATES {
        clippy.args(["--package", package]);
    }
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
