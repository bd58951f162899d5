//! The lab binary, which becomes this process: its signals, output and exit code are then the lab's own.

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use anyhow::{Error, Result};

use crate::{
    checkout::Checkout,
    command::{
        build::{self, Profile},
        setup,
    },
    privilege, toolchain,
};

/// As [`hand_over_to_anyone`], for tasks that only root can do.
pub(crate) fn hand_over(
    checkout: &Checkout,
    (task, profile): (&str, Profile),
    args: &[OsString],
) -> Result<ExitCode> {
    privilege::require(task)?;
    hand_over_to_anyone(checkout, (task, profile), args)
}

/// Sets up, builds and hands over to `egress-lab TASK ARGS`; returns only where one of these failed.
pub(crate) fn hand_over_to_anyone(
    checkout: &Checkout,
    (task, profile): (&str, Profile),
    args: &[OsString],
) -> Result<ExitCode> {
    setup::everything(checkout)?;
    let built = build::both(checkout, profile)?;
    let mut lab = Command::new(&built.lab);
    lab.arg(task)
        .args(args)
        .env("EGRESS_CTL", &built.controller);
    toolchain::forget_cargo_run(&mut lab);
    let error = lab.exec();
    Err(Error::new(error).context(format!("cannot start {}", built.lab.display())))
}
