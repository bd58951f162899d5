//! Coverage, by cargo-llvm-cov: unit tests run with counters, then what these say is read.

pub(crate) mod report;

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

use crate::{checkout::Checkout, step, tool::Tool, toolchain};

/// Not part of setup: building egress does not take it.
const CARGO_LLVM_COV: Tool = Tool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
    takes: "a minute",
};

/// What reads the counters; a component of the toolchain.
const COMPONENT: &str = "llvm-tools";

/// User space, and what it shares with the kernel's programs.
const PACKAGES: [&str; 2] = ["egress-common", "egress-ctl"];

/// Tests that have run, and left their counters.
pub(crate) struct Measured<'a>(&'a Checkout);

impl<'a> Measured<'a> {
    pub(crate) fn by_unit_tests(checkout: &'a Checkout) -> Result<Self> {
        CARGO_LLVM_COV.ensure(checkout)?;
        component()?;
        let measured = Self(checkout);
        // By flags, not by a wrapper of the compiler: that one would have the kernel's programs count as well,
        // which have no place for it.
        let mut tests = measured.cargo_llvm_cov();
        tests.args(["--no-rustc-wrapper", "--branch", "--no-report", "--lib"]);
        for package in PACKAGES {
            tests.args(["--package", package]);
        }
        step::run(&mut tests)?;
        Ok(measured)
    }

    /// What each file counted, as JSON.
    pub(crate) fn summary(&self) -> Result<String> {
        let mut report = self.cargo_llvm_cov();
        report.args(["report", "--branch", "--json", "--summary-only"]);
        step::output(&mut report).context("cargo-llvm-cov has nothing to report")
    }

    /// What each line counted, as HTML.
    pub(crate) fn draw(&self, folder: &Path) -> Result<()> {
        let mut report = self.cargo_llvm_cov();
        report.args(["report", "--branch", "--html", "--output-dir"]);
        step::run(report.arg(folder))
    }

    fn cargo_llvm_cov(&self) -> Command {
        let Self(checkout) = self;
        let mut command = CARGO_LLVM_COV.command(checkout);
        // Apart from everything else: build scripts that see RUSTC_BOOTSTRAP decide otherwise. Without it there
        // are no branches.
        let folder = checkout.target().join("coverage");
        command.env("CARGO_LLVM_COV_TARGET_DIR", folder);
        command.env("RUSTC_BOOTSTRAP", "1");
        command
    }
}

fn component() -> Result<()> {
    let sysroot = toolchain::sysroot().context("the pinned Rust names no sysroot")?;
    let tools = Path::new(&sysroot).join("lib/rustlib");
    let tools = tools.join(toolchain::host()?).join("bin");
    if tools.join("llvm-cov").is_file() && tools.join("llvm-profdata").is_file() {
        return Ok(());
    }
    let rust = toolchain::RUST;
    eprintln!("setup: installing {COMPONENT} of Rust {rust}");
    let mut rustup = Command::new("rustup");
    step::run(rustup.args(["component", "add", COMPONENT, "--toolchain", rust]))
}
