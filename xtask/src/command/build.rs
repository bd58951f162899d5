//! `cargo xtask build`: egress-ctl, with the kernel programs inside, and the lab.

use std::{
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use anyhow::Result;

use super::setup;
use crate::{checkout::Checkout, step, toolchain};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Build with optimisations
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    setup::for_building(checkout)?;
    let profile = if args.release {
        Profile::Release
    } else {
        Profile::Debug
    };
    let built = both(checkout, profile)?;
    println!("{}", built.controller.display());
    println!("{}", built.lab.display());
    Ok(ExitCode::SUCCESS)
}

/// What runs in the kernel, and builds for no host.
pub(crate) const BPF_CRATES: [&str; 2] = ["egress-ebpf", "egress-bench-ebpf"];

#[derive(Clone, Copy)]
pub(crate) enum Profile {
    Debug,
    Release,
}

/// The two binaries, by absolute path.
pub(crate) struct Built {
    pub(crate) controller: PathBuf,
    pub(crate) lab: PathBuf,
}

pub(crate) fn both(checkout: &Checkout, profile: Profile) -> Result<Built> {
    let mut cargo = cargo(checkout, "build");
    cargo.args(["-p", "egress-ctl", "-p", "egress-tests", "--bins"]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    step::run(&mut cargo)?;
    Ok(Built::within(&checkout.target().join(folder)))
}

impl Built {
    fn within(folder: &Path) -> Self {
        Self {
            controller: folder.join("egress-ctl"),
            lab: folder.join("egress-lab"),
        }
    }
}

/// A command of the pinned cargo on this checkout and its target folder.
pub(crate) fn cargo(checkout: &Checkout, command: &str) -> Command {
    let mut cargo = toolchain::command("cargo");
    cargo
        .arg(command)
        .arg("--target-dir")
        .arg(checkout.target())
        .current_dir(checkout.root());
    cargo
}
