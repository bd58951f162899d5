//! Commands on the machine, and what systemd tells of the unit.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::wait;

const UNIT: &str = "egress.service";
/// An emulated machine verifies the programs for half a minute.
const LIMIT: Duration = Duration::from_secs(300);

/// Runs a command that must succeed, and returns what it said.
pub(super) fn done(words: &[&str]) -> Result<String> {
    let (succeeded, said) = said(words)?;
    ensure!(succeeded, "{words:?}: {said}");
    Ok(said)
}

/// Runs a command; whether it succeeded, and what it said.
pub(super) fn said(words: &[&str]) -> Result<(bool, String)> {
    let (program, arguments) = words.split_first().context("no command")?;
    let mut command = Command::new(program);
    command.args(arguments);
    let output = command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("LC_ALL", "C.UTF-8")
        .env_remove("EGRESS_SLOW")
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok((output.status.success(), format!("{out}{err}")))
}

/// What `systemctl show` tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) loaded: String,
    pub(super) active: String,
    pub(super) kind: String,
    pub(super) pid: u32,
    pub(super) restarts: u32,
    /// What the daemon says of itself.
    pub(super) text: String,
}

impl Shown {
    pub(super) fn now() -> Result<Self> {
        let of = |name: &str| -> Result<String> {
            let told = done(&["systemctl", "show", UNIT, "--value", "--property", name])?;
            Ok(told.trim().to_owned())
        };
        Ok(Self {
            loaded: of("LoadState")?,
            active: format!("{} ({})", of("ActiveState")?, of("SubState")?),
            kind: of("Type")?,
            pid: of("MainPID")?.parse()?,
            restarts: of("NRestarts")?.parse()?,
            text: of("StatusText")?,
        })
    }

    pub(super) fn runs(&self) -> bool {
        self.active == "active (running)" && self.text.contains("is in force")
    }
}

/// Waits until the unit is as it should be.
pub(super) fn until(what: &str, is_so: impl Fn(&Shown) -> bool) -> Result<Shown> {
    let mut last = None;
    let seen = wait::until(what, LIMIT, || {
        let shown = Shown::now()?;
        let is_so = is_so(&shown);
        last = Some(shown.clone());
        Ok(is_so.then_some(shown))
    });
    seen.with_context(|| format!("{last:?}"))
}

/// The last lines of the unit's journal.
pub(super) fn journal() -> String {
    let words = ["journalctl", "--no-pager", "--lines=40", "--unit", UNIT];
    said(&words).map_or_else(|fault| fault.to_string(), |(_, said)| said)
}
