//! Programs that are run with files of rules, to put a filter on the gateway and to take it away.

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lab::host::Host;

use super::Filter;

/// What is run, before it has a gateway.
pub(super) struct Script {
    /// Names of files, and what stands in them.
    pub(super) files: Vec<(&'static str, String)>,
    /// What puts the filter there: command lines, in which `{}` is the folder of the files.
    pub(super) put: &'static [&'static str],
    /// What takes it away.
    pub(super) take: &'static [&'static str],
}

impl Script {
    /// Writes the files for a gateway.
    pub(super) fn on(self, gateway: &Host, folder: &Path) -> Result<Scripted> {
        for (name, text) in &self.files {
            fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        let folder = folder.display().to_string();
        let lines = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| line.replace("{}", &folder))
                .collect()
        };
        Ok(Scripted {
            gateway: gateway.clone(),
            put: lines(self.put),
            take: lines(self.take),
        })
    }
}

/// A filter that is put on the gateway by programs.
pub(super) struct Scripted {
    gateway: Host,
    put: Vec<String>,
    take: Vec<String>,
}

impl Filter for Scripted {
    fn put(&mut self, _listed: &[Ipv4Addr]) -> Result<()> {
        self.put
            .iter()
            .try_for_each(|line| run(&self.gateway, line))
    }

    /// All of it, also where nothing or only a part was put there.
    fn take(&mut self) -> Result<()> {
        let taken: Vec<_> = self
            .take
            .iter()
            .map(|line| run(&self.gateway, line))
            .collect();
        taken.into_iter().collect()
    }
}

/// Runs a command line on the gateway; fails with the first line of what it said.
pub(super) fn run(gateway: &Host, line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let program = words.next().context("an empty command line")?;
    let output = gateway.command(program).args(words).output();
    let output = output.with_context(|| {
        format!("{program} does not start: `cargo xtask setup` installs what Debian has")
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default();
    ensure!(output.status.success(), "{program}: {first}");
    Ok(())
}
