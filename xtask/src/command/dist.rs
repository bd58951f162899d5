//! `cargo xtask dist`: packages in target/dist, and what they are good for.

use std::{ffi::OsString, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result};

use super::{build::Profile, setup};
use crate::{checkout::Checkout, dist, lab, privilege};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Install, upgrade and purge the package in a clean Debian 12, with packets (root)
    #[arg(long)]
    check: bool,
    /// And under systemd, on a machine of its own in QEMU
    #[arg(long, requires = "check")]
    boot: bool,
    /// Only try the checks, with a package of a quick build that is good for nothing else
    #[arg(long, requires = "check")]
    quick: bool,
    /// Check as well that all compiles for aarch64
    #[arg(long)]
    cross: bool,
    /// The result of the check as one JSON object instead of lines
    #[arg(long, requires = "check")]
    json: bool,
}

pub(crate) fn run(checkout: &Checkout, args: &Args) -> Result<ExitCode> {
    if args.check {
        privilege::require("dist --check")?;
    }
    setup::for_packaging(checkout)?;
    if args.cross {
        dist::cross::check(checkout)?;
        eprintln!("dist: egress-ctl and its kernel programs compile for aarch64");
    }
    if args.quick {
        let deb = dist::quick(checkout)?;
        return check(checkout, &deb, args);
    }
    let made = dist::make(checkout)?;
    for file in [&made.program, &made.deb, &made.tarball, &made.sums] {
        eprintln!("{}", told(file)?);
    }
    if args.check {
        return check(checkout, &made.deb, args);
    }
    Ok(ExitCode::SUCCESS)
}

/// The size and the path of a file.
fn told(file: &Path) -> Result<String> {
    let about = fs::metadata(file).with_context(|| format!("no {}", file.display()))?;
    let mib = about.len() as f64 / f64::from(1 << 20);
    Ok(format!("{mib:8.2} MiB  {}", file.display()))
}

/// The lab tries it, and the program of the tests is the build of before.
fn check(checkout: &Checkout, deb: &Path, how: &Args) -> Result<ExitCode> {
    setup::for_clean_root(checkout)?;
    let root = dist::clean_root::obtain(checkout)?;
    let profile = if how.quick {
        Profile::Quick
    } else {
        Profile::Checked
    };
    if how.boot && !dist::boot::check(checkout, (deb, &root), profile)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut args: Vec<OsString> = vec!["--deb".into(), deb.into(), "--root".into(), root.into()];
    if how.json {
        args.push("--json".into());
    }
    lab::hand_over(checkout, ("package", profile), &args)
}
