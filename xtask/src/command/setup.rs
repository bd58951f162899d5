//! `cargo xtask setup`: whatever is missing, and nothing else.

use std::{
    fs::{self, File},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

use crate::{checkout::Checkout, dist, linker, packages, toolchain};

pub(crate) fn run(checkout: &Checkout) -> Result<ExitCode> {
    let needed = everything(checkout)?;
    let compared = for_bench(checkout)?;
    let packaged = for_packaging(checkout).unwrap_or_else(|error| {
        eprintln!("setup: no packages can be made: {error:#}");
        true
    });
    if !needed && !compared && !packaged {
        eprintln!("setup: everything is there");
    }
    Ok(ExitCode::SUCCESS)
}

/// What demo, drills and tests take; true if anything was missing.
pub(crate) fn everything(checkout: &Checkout) -> Result<bool> {
    let _alone = alone(checkout)?;
    let packages = packages::ensure(checkout)?;
    let compiler = compiler(checkout)?;
    Ok(packages || compiler)
}

/// What the bench compares with, as far as it can be had; true if anything was missing.
pub(crate) fn for_bench(checkout: &Checkout) -> Result<bool> {
    let _alone = alone(checkout)?;
    packages::offer(checkout)
}

/// What `dist` takes; true if anything was missing.
pub(crate) fn for_packaging(checkout: &Checkout) -> Result<bool> {
    let _alone = alone(checkout)?;
    let compiler = compiler(checkout)?;
    let packager = dist::CARGO_DEB.ensure(checkout)?;
    Ok(compiler || packager)
}

/// What `dist --check` takes besides; true if anything was missing.
pub(crate) fn for_clean_root(checkout: &Checkout) -> Result<bool> {
    let _alone = alone(checkout)?;
    packages::for_clean_root(checkout)
}

/// What building and linting take, without root; true if anything was missing.
pub(crate) fn for_building(checkout: &Checkout) -> Result<bool> {
    let _alone = alone(checkout)?;
    compiler(checkout)
}

fn compiler(checkout: &Checkout) -> Result<bool> {
    let toolchain = toolchain::ensure(checkout)?;
    let linker = linker::ensure(checkout)?;
    Ok(toolchain || linker)
}

/// Two setups at once would build the linker into each other; the second waits.
fn alone(checkout: &Checkout) -> Result<File> {
    let tools = checkout.tools();
    fs::create_dir_all(&tools).with_context(|| format!("cannot make {}", tools.display()))?;
    let lock = File::create(tools.join("lock"))?;
    lock.lock().context("cannot lock .tools")?;
    Ok(lock)
}
