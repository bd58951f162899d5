//! What the daemon logs: lines, objects, and entries of a journal, each read as whoever reads it would.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::process::Process;
use lab::stage::Stage;
use lab::wait;
use rustix::mount::{MountFlags, mount};
use rustix::process::Signal;
use serde_json::Value;

/// Where journald takes messages (systemd-journald.service(8)).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// An emulated machine verifies the programs for half a minute.
const LIMIT: Duration = Duration::from_secs(120);
/// What a daemon logs once it enforces.
const IN_FORCE: &str = "is in force: mode";

#[test]
fn lines_are_for_people_and_objects_for_machines() -> Result<()> {
    let stage = Stage::new()?;
    for options in [&[][..], &["--log-format", "text"]] {
        let log = stage.start(options)?.terminate()?.1;
        ensure!(
            log.lines()
                .any(|line| line.trim_start().starts_with("INFO ")),
            "{log}"
        );
        ensure!(!log.contains('\u{1b}') && !log.contains('{'), "{log}");
    }
    let log = stage.start(&["--log-format", "json"])?.terminate()?.1;
    let objects = log.lines().map(serde_json::from_str);
    let objects: Vec<Value> = objects.collect::<Result<_, _>>().context(log)?;
    for object in &objects {
        let time = object["timestamp"].as_str().context("no time")?;
        let time: Result<jiff::Timestamp, _> = time.parse();
        ensure!(time.is_ok() && object["level"] == "INFO", "{object}");
    }
    let said = objects
        .iter()
        .filter_map(|object| object["message"].as_str());
    ensure!(
        said.clone().any(|said| said.contains(IN_FORCE)),
        "{objects:?}"
    );
    Ok(())
}

#[test]
fn a_journal_gets_fields_with_priorities() -> Result<()> {
    let stage = Stage::new()?;
    let journal = Journal::take(&stage)?;
    let mut daemon = journal.daemon(&stage)?;
    let entry = journal.entry(IN_FORCE)?;
    for (field, value) in [("PRIORITY", "5"), ("SYSLOG_IDENTIFIER", "egress-ctl")] {
        ensure!(
            entry.get(field).is_some_and(|seen| seen == value),
            "{entry:?}"
        );
    }
    stage.write("no = config")?;
    daemon.signal(Signal::HUP)?;
    let refused = journal.entry("stays in force")?;
    let is_urgent = refused
        .get("PRIORITY")
        .is_some_and(|seen| ["3", "4"].contains(&seen.as_str()));
    ensure!(is_urgent, "{refused:?}");
    daemon.alive()?;
    ensure!(daemon.complaints().is_empty(), "{}", daemon.complaints());
    Ok(())
}

#[test]
fn without_a_journal_lines_tell_so() -> Result<()> {
    let stage = Stage::new()?;
    // What is on this machine is out of sight.
    let gone = Journal::take(&stage)?;
    stage
        .lab
        .gateway
        .run_mounted(|| fs::remove_file(JOURNAL))??;
    let log = stage.start(&["--log-format", "journald"])?.terminate()?.1;
    ensure!(log.contains("there is no journal"), "{log}");
    drop(gone);
    Ok(())
}

/// What stands in for journald on the gateway, and nowhere else.
struct Journal(UnixDatagram);

impl Journal {
    fn take(stage: &Stage) -> Result<Self> {
        let bound = stage.lab.gateway.run_mounted(|| -> Result<UnixDatagram> {
            mount("tmpfs", "/run", "tmpfs", MountFlags::empty(), None)?;
            fs::create_dir_all("/run/systemd/journal")?;
            Ok(UnixDatagram::bind(JOURNAL)?)
        })??;
        bound.set_nonblocking(true)?;
        Ok(Self(bound))
    }

    /// A daemon that logs here: nothing of it is on its standard error to wait for.
    fn daemon(&self, stage: &Stage) -> Result<Process> {
        let config = stage.config();
        let arguments = ["run", "--config", &config, "--log-format", "journald"];
        Process::spawn("egress-ctl", stage.command(&arguments)?, stage.lab.folder())
    }

    /// The next entry that says this.
    fn entry(&self, said: &str) -> Result<BTreeMap<String, String>> {
        wait::until(said, LIMIT, || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(length) = self.0.recv(&mut buffer) {
                let entry = fields(&buffer[..length])?;
                if entry
                    .get("MESSAGE")
                    .is_some_and(|message| message.contains(said))
                {
                    return Ok(Some(entry));
                }
            }
            Ok(None)
        })
    }
}

/// The fields of a message: `NAME=value`, or `NAME`, the length as 64 bits and the value, where that may have
/// several lines (systemd, docs/JOURNAL_NATIVE_PROTOCOL.md).
fn fields(mut message: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut fields = BTreeMap::new();
    while !message.is_empty() {
        let end = message.iter().position(|byte| *byte == b'\n');
        let (line, rest) = message.split_at(end.context("a line without an end")?);
        let rest = &rest[1..];
        let line = str::from_utf8(line)?;
        let (name, value, rest) = match line.split_once('=') {
            Some((name, value)) => (name, value.as_bytes(), rest),
            None => {
                let (length, rest) = rest.split_first_chunk().context("no length")?;
                let length = usize::try_from(u64::from_le_bytes(*length))?;
                let (value, rest) = rest.split_at_checked(length).context("no value")?;
                (line, value, rest.strip_prefix(b"\n").context("no end")?)
            }
        };
        fields.insert(name.to_owned(), String::from_utf8(value.to_vec())?);
        message = rest;
    }
    Ok(fields)
}
