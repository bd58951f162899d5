//! `egress-lab booted`: a Debian package under a real systemd, from its installation to its purge.
//!
//! In: the package, and modules of the kernel, on a machine that was booted for this and nothing else. Out: markers on
//! a serial port, a line for each step. `cargo xtask dist --check --boot` makes the machine.

#[path = "../../init/marker.rs"]
mod marker;
mod steps;
mod systemd;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use clap::Args;
use lab::host::Life;
use lab::topology::Lab;
use rustix::system::{RebootCommand, finit_module, reboot, uname};

use self::marker::{End, Marker};
use self::steps::{STEPS, Trial};

#[derive(Args)]
pub(crate) struct Options {
    /// The package
    #[arg(long, value_name = "FILE")]
    deb: PathBuf,
    /// A package of the version before, by `egress-lab earlier`
    #[arg(long, value_name = "FILE")]
    earlier: PathBuf,
    /// Folder of the kernel's modules, to be loaded in the order of their names
    #[arg(long, value_name = "DIR")]
    modules: PathBuf,
    /// Where markers go; the machine ends behind the last one
    #[arg(long, value_name = "DEVICE")]
    tell: PathBuf,
}

/// Takes one step after the other until one fails, and ends the machine.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let mut told = File::options().write(true).open(&options.tell)?;
    let kernel = uname().release().to_string_lossy().into_owned();
    tell(&mut told, &Marker::Began { kernel })?;
    let held = trial(options, &mut told);
    if let Err(fault) = &held {
        said(&mut told, "preparation", &format!("{fault:#}"))?;
        ended(&mut told, "preparation", (End::Failed, Instant::now()))?;
    }
    tell(&mut told, &Marker::Done)?;
    reboot(RebootCommand::PowerOff)?;
    held
}

fn trial(options: &Options, told: &mut File) -> Result<bool> {
    load_modules(&options.modules)?;
    let lab = Lab::around_this(Life::Bound)?;
    let mut trial = Trial::new(&lab, [&options.earlier, &options.deb])?;
    for (step, take) in STEPS {
        let began = Instant::now();
        let test = format!("systemd::{step}");
        tell(told, &Marker::Started { test: test.clone() })?;
        let done = take(&mut trial);
        let (end, seen) = match &done {
            Ok(seen) => (End::Passed, seen.clone()),
            Err(fault) => (End::Failed, format!("{fault:#}\n{}", systemd::journal())),
        };
        said(told, &test, &seen)?;
        ended(told, &test, (end, began))?;
        if done.is_err() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn load_modules(folder: &Path) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        files.push(entry?.path());
    }
    files.sort();
    for file in files {
        finit_module(File::open(&file)?, c"", 0)
            .with_context(|| format!("cannot load {}", file.display()))?;
    }
    Ok(())
}

fn said(told: &mut File, test: &str, text: &str) -> Result<()> {
    for line in text.lines() {
        let (test, line) = (test.to_owned(), line.to_owned());
        tell(told, &Marker::Said { test, line })?;
    }
    Ok(())
}

fn ended(told: &mut File, test: &str, (end, began): (End, Instant)) -> Result<()> {
    let milliseconds = began.elapsed().as_millis() as u64;
    let test = test.to_owned();
    tell(
        told,
        &Marker::Ended {
            test,
            end,
            milliseconds,
        },
    )
}

fn tell(told: &mut File, marker: &Marker) -> Result<()> {
    writeln!(told, "{marker}").context("cannot tell")
}
