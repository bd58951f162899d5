//! The steps, each with what must be true behind it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::interrupt;
use lab::topology::{LAN_INTERFACE, Lab};
use serde_json::Value;

use super::systemd::{Shown, done, said, until};
use crate::package::kernel::traces;
use crate::package::listing::Listing;
use crate::package::steps::{TARGET, judged};
use crate::stream::{Seen, Stream};

const CONFIG: &str = "/etc/egress/egress.toml";
/// A signal of life is waited for so long, instead of two minutes.
const DROP_IN: (&str, &str) = (
    "/run/systemd/system/egress.service.d/watchdog.conf",
    "[Service]\nWatchdogSec=20s\n",
);
/// Where a machine that runs writes by itself.
const ALIVE: [&str; 5] = [
    "var/log",
    "var/lib/systemd",
    "var/cache",
    "etc/machine-id",
    "etc/.pwd.lock",
];
/// How long packets are looked at.
const WHILE: Duration = Duration::from_secs(3);

type Step = fn(&mut Trial<'_>) -> Result<String>;

pub(super) const STEPS: [(&str, Step); 10] = [
    ("install", install),
    ("start", start),
    ("audit", audit),
    ("reload", reload),
    ("kill", kill),
    ("watchdog", watchdog),
    ("upgrade", upgrade),
    ("security", security),
    ("stop", stop),
    ("purge", purge),
];

/// The machine, and what was on it at first.
pub(super) struct Trial<'a> {
    lab: &'a Lab,
    earlier: String,
    this: String,
    before: Listing,
}

impl<'a> Trial<'a> {
    pub(super) fn new(lab: &'a Lab, [earlier, this]: [&Path; 2]) -> Result<Self> {
        Ok(Self {
            lab,
            earlier: earlier.display().to_string(),
            this: this.display().to_string(),
            before: Listing::of(Path::new("/"))?,
        })
    }

    fn stream(&self) -> Result<Stream> {
        Stream::start(&self.lab.client, &self.lab.internet, TARGET)
    }

    fn packets(&self) -> Result<Seen> {
        let stream = self.stream()?;
        interrupt::sleep(WHILE)?;
        stream.end()
    }

    fn traces(&self) -> Result<Vec<String>> {
        traces(&self.lab.gateway, LAN_INTERFACE)
    }
}

/// Packets and bytes that were counted, of whatever was done with them.
fn counted() -> Result<u64> {
    let status: Value = serde_json::from_str(&done(&["egress-ctl", "status", "--json"])?)?;
    let verdicts = status["verdicts"].as_array().into_iter().flatten();
    Ok(verdicts.filter_map(|one| one["packets"].as_u64()).sum())
}

fn install(trial: &mut Trial<'_>) -> Result<String> {
    done(&["dpkg", "--install", &trial.earlier])?;
    let shown = Shown::now()?;
    ensure!(
        shown.loaded == "loaded" && shown.active == "inactive (dead)",
        "{shown:?}"
    );
    let enabled = done(&["systemctl", "is-enabled", "egress"])?;
    let traces = trial.traces()?;
    ensure!(traces.is_empty(), "it filters: {}", traces.join(", "));
    let about = done(&["systemctl", "--version"])?;
    let systemd = about.lines().next().unwrap_or_default().to_owned();
    Ok(format!(
        "{systemd}; the unit is loaded, {}, and waits for a config",
        enabled.trim()
    ))
}

fn start(_: &mut Trial<'_>) -> Result<String> {
    let written = done(&["egress-ctl", "init", "--yes"])?;
    ensure!(
        written.contains("in mode audit: nothing is dropped"),
        "{written}"
    );
    // Type=notify: this returns once the daemon says that it is ready.
    done(&["systemctl", "start", "egress"])?;
    let shown = Shown::now()?;
    ensure!(shown.runs() && shown.kind == "notify", "{shown:?}");
    ensure!(shown.text.contains("mode audit"), "{shown:?}");
    Ok(format!(
        "Type={}, {}: {}",
        shown.kind, shown.active, shown.text
    ))
}

fn audit(trial: &mut Trial<'_>) -> Result<String> {
    let told = judged(&trial.packets()?, true)?;
    let status = done(&["egress-ctl", "status"])?;
    ensure!(status.contains("would-drop"), "{status}");
    Ok(told)
}

fn reload(trial: &mut Trial<'_>) -> Result<String> {
    let before = Shown::now()?;
    let config = fs::read_to_string(CONFIG)?;
    let enforcing = config.replace("mode = \"audit\"", "mode = \"enforce\"");
    ensure!(enforcing != config, "{config}");
    fs::write(CONFIG, enforcing)?;
    done(&["systemctl", "reload", "egress"])?;
    let shown = until("mode enforce", |shown| shown.text.contains("mode enforce"))?;
    ensure!(shown.pid == before.pid, "{before:?} became {shown:?}");
    Ok(format!(
        "{}; {}",
        shown.text,
        judged(&trial.packets()?, false)?
    ))
}

fn kill(trial: &mut Trial<'_>) -> Result<String> {
    let before = Shown::now()?;
    let stream = trial.stream()?;
    done(&["systemctl", "kill", "--signal=KILL", "egress"])?;
    let shown = until("a new daemon", |shown| {
        shown.restarts > before.restarts && shown.runs() && shown.pid != before.pid
    })?;
    let told = judged(&stream.end()?, false)?;
    Ok(format!("restarted, {}: {told}", shown.text))
}

fn watchdog(trial: &mut Trial<'_>) -> Result<String> {
    let (file, text) = DROP_IN;
    let folder = Path::new(file).parent().context("no folder")?;
    fs::create_dir_all(folder)?;
    fs::write(file, text)?;
    done(&["systemctl", "daemon-reload"])?;
    done(&["systemctl", "restart", "egress"])?;
    let before = Shown::now()?;
    ensure!(before.runs(), "{before:?}");
    let stream = trial.stream()?;
    done(&["systemctl", "kill", "--signal=STOP", "egress"])?;
    let shown = until("a new daemon", |shown| {
        shown.restarts > before.restarts && shown.runs() && shown.pid != before.pid
    })?;
    let told = judged(&stream.end()?, false)?;
    let journal = super::systemd::journal();
    ensure!(journal.contains("Watchdog timeout"), "{journal}");
    fs::remove_dir_all(folder)?;
    done(&["systemctl", "daemon-reload"])?;
    Ok(format!(
        "one that was stopped was ended and restarted, {}: {told}",
        shown.text
    ))
}

fn upgrade(trial: &mut Trial<'_>) -> Result<String> {
    let (before, at_first) = (Shown::now()?, counted()?);
    let stream = trial.stream()?;
    done(&["dpkg", "--install", &trial.this])?;
    let shown = until("the daemon of the new version", |shown| {
        shown.runs() && shown.pid != before.pid
    })?;
    let told = judged(&stream.end()?, false)?;
    let behind = counted()?;
    ensure!(behind > at_first, "{at_first} packets became {behind}");
    let journal = super::systemd::journal();
    ensure!(
        journal.contains("maps of another version are pinned"),
        "{journal}"
    );
    let version = done(&["dpkg-query", "--show", "--showformat=${Version}", "egress"])?;
    Ok(format!(
        "{version} by dpkg, with maps of its own, {}: {told}; {at_first} packets counted before, {behind} now",
        shown.text
    ))
}

fn security(_: &mut Trial<'_>) -> Result<String> {
    let told = done(&["systemd-analyze", "security", "--no-pager", "egress"])?;
    let figure = told
        .lines()
        .find(|line| line.contains("Overall exposure level"));
    let figure = figure.with_context(|| told.clone())?;
    Ok(figure.trim_start_matches(['→', ' ']).to_owned())
}

fn stop(trial: &mut Trial<'_>) -> Result<String> {
    done(&["systemctl", "stop", "egress"])?;
    let shown = Shown::now()?;
    ensure!(shown.active == "inactive (dead)", "{shown:?}");
    let told = judged(&trial.packets()?, false)?;
    done(&["systemctl", "start", "egress"])?;
    Ok(format!("what is pinned enforces: {told}"))
}

fn purge(trial: &mut Trial<'_>) -> Result<String> {
    done(&["dpkg", "--purge", "egress"])?;
    let shown = Shown::now()?;
    ensure!(shown.loaded == "not-found" && shown.pid == 0, "{shown:?}");
    let traces = trial.traces()?;
    ensure!(traces.is_empty(), "still there: {}", traces.join(", "));
    let (_, group) = said(&["getent", "group", "egress"])?;
    ensure!(group.is_empty(), "{group}");
    let now = Listing::of(Path::new("/"))?;
    let differs = now.since(&trial.before).into_iter().filter(|path| {
        let path = Path::new(path.trim_start_matches(['+', '-', '~']));
        !ALIVE.iter().any(|alive| path.starts_with(alive))
    });
    let differs: Vec<_> = differs.collect();
    ensure!(differs.is_empty(), "not as before: {}", differs.join(" "));
    Ok(format!(
        "all {} paths as before, no unit, no pin, no program, no rule; {}",
        now.len(),
        judged(&trial.packets()?, true)?
    ))
}
