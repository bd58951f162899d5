//! `cargo xtask build`: egress-ctl, with the kernel programs inside, and the lab.

use std::{
    env,
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
        Profile::Checked
    };
    let built = both(checkout, profile)?;
    println!("{}", built.controller.display());
    println!("{}", built.lab.display());
    Ok(ExitCode::SUCCESS)
}

/// What runs in the kernel, and builds for no host.
pub(crate) const BPF_CRATES: [&str; 2] = ["egress-ebpf", "egress-bench-ebpf"];

/// Brings libFuzzer, whose C++ takes long, and has what both need built with other features, so a second time.
pub(crate) const FUZZ: &str = "egress-fuzz";

#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// For tests and demo, on the host and in VMs alike: static, quick enough for an emulator, and with the
    /// checks of a debug build.
    Checked,
    /// For a try on this very machine: as cargo builds by itself.
    Quick,
    /// For use, and for whatever is measured.
    Release,
    /// For packages: static, small, and long to build.
    Packaged,
}

/// How the first profile differs from cargo's own; it is built often, and killed builds must not matter.
const CHECKED: [&str; 4] = [
    "profile.dev.opt-level=2",
    "profile.dev.debug=0",
    "profile.dev.strip=true",
    "profile.dev.incremental=false",
];

/// What Cargo.toml calls the last profile.
pub(crate) const PACKAGED: &str = "packaged";

/// Names the C compiler for static binaries; without it a musl-gcc is looked for.
const COMPILER: &str = if cfg!(target_arch = "aarch64") {
    "CC_aarch64_unknown_linux_musl"
} else {
    "CC_x86_64_unknown_linux_musl"
};

impl Profile {
    pub(crate) fn folder(self) -> PathBuf {
        match self {
            Self::Checked => Path::new(toolchain::STATIC).join("debug"),
            Self::Quick => "debug".into(),
            Self::Release => "release".into(),
            Self::Packaged => Path::new(toolchain::STATIC).join(PACKAGED),
        }
    }

    /// Has a command of cargo build so.
    pub(crate) fn choose(self, cargo: &mut Command) {
        match self {
            Self::Checked => {
                cargo.args(["--target", toolchain::STATIC]);
                for setting in CHECKED {
                    cargo.args(["--config", setting]);
                }
                choose_compiler(cargo);
            }
            Self::Quick => {}
            Self::Release => {
                cargo.arg("--release");
            }
            Self::Packaged => {
                cargo.args(["--profile", PACKAGED, "--target", toolchain::STATIC]);
                choose_compiler(cargo);
            }
        }
    }
}

/// What TLS brings in C and assembly needs nothing of a C library's own, so any compiler will do.
fn choose_compiler(cargo: &mut Command) {
    if env::var_os(COMPILER).is_none() {
        cargo.env(COMPILER, "cc");
    }
}

/// The two binaries, by absolute path.
pub(crate) struct Built {
    pub(crate) controller: PathBuf,
    pub(crate) lab: PathBuf,
}

pub(crate) fn both(checkout: &Checkout, profile: Profile) -> Result<Built> {
    let mut cargo = cargo(checkout, "build");
    cargo.args(["-p", "egress-ctl", "-p", "egress-tests", "--bins"]);
    profile.choose(&mut cargo);
    step::run(&mut cargo)?;
    Ok(Built::within(&checkout.target().join(profile.folder())))
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
