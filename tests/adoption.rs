//! Programs that run when a daemon starts: those of its own build it takes over, others it replaces.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::maps::MapData;
use aya::programs::{ProgramInfo, Xdp};
use aya_obj::programs::XdpAttachType;
use egress_ctl::dataplane::load::load;
use lab::pace::is_slow;
use lab::pins::{PIN_DIR, attached};
use lab::process::Process;
use lab::stage::Stage;
use lab::{gateway, other_build};

/// What a daemon logs that took programs over.
const TAKEN_OVER: &str = "of this build, and taken over: ";
/// Programs that every daemon of the lab has.
const NAMES: [&str; 5] = [
    "lan_ask",
    "lan_divert",
    "lan_egress",
    "lan_ingress",
    "lan_teach",
];

/// The names of programs that were taken over, by a log.
fn taken_over(log: &str) -> Vec<String> {
    let line = log.lines().find_map(|line| line.split_once(TAKEN_OVER));
    let names = line.map_or("", |(_, names)| names);
    names.split_terminator(", ").map(str::to_owned).collect()
}

/// Pins of programs for the next daemon, by their names; within the gateway's mounts.
fn pinned() -> Result<BTreeMap<String, PathBuf>> {
    let mut pins = BTreeMap::new();
    for entry in fs::read_dir(Path::new(PIN_DIR).join("programs"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if let Some((program, _)) = name.split_once(':') {
            let before = pins.insert(program.to_owned(), path.clone());
            ensure!(before.is_none(), "{program} is pinned twice");
        }
    }
    Ok(pins)
}

#[test]
fn a_restart_takes_over_what_runs() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = &stage.lab.gateway;
    gateway.borrow_nothing();
    let first = stage.start(&[])?;
    ensure!(taken_over(&first.log()).is_empty(), "{}", first.log());
    first.kill()?;
    let before = attached(gateway)?;
    let asked = || ProgramInfo::from_pin(Path::new(PIN_DIR).join("programs/lan_ask"));
    let answers = gateway.run_mounted(|| asked().map(|info| info.id()))??;
    for _ in 0..2 {
        let daemon = stage.start(&[])?;
        let log = daemon.log();
        ensure!(taken_over(&log) == NAMES, "{log}");
        ensure!(attached(gateway)? == before, "{log}");
        let now = gateway.run_mounted(|| asked().map(|info| info.id()))??;
        ensure!(now == answers, "{log}");
        daemon.kill()?;
    }
    // A program that did not run yet is loaded beside the others.
    let daemon = stage.start(&["--xdp", "generic"])?;
    let log = daemon.log();
    ensure!(taken_over(&log) == NAMES, "{log}");
    let now = attached(gateway)?;
    let kept = now
        .iter()
        .filter(|(_, program)| before.values().any(|id| id == *program));
    ensure!(kept.count() == now.len() - 1, "{before:?}, {now:?}");
    daemon.kill()?;
    let daemon = stage.start(&["--xdp", "generic"])?;
    let log = daemon.log();
    ensure!(taken_over(&log).len() == NAMES.len() + 1, "{log}");
    ensure!(attached(gateway)? == now, "{log}");
    daemon.kill()?;
    stage.done(&["detach"])?;
    let left = gateway.run_mounted(|| Path::new(PIN_DIR).exists())?;
    ensure!(!left, "detach left pins");
    Ok(())
}

#[test]
fn another_build_replaces_what_runs() -> Result<()> {
    let stage = Stage::new()?;
    let program = gateway::program()?;
    let other = other_build::copy(&program, stage.lab.folder())?;
    stage.start(&[])?.kill()?;
    let gateway = &stage.lab.gateway;
    let mut before = attached(gateway)?;
    let builds = [&other, &program];
    for build in builds.into_iter().take(if is_slow() { 1 } else { 2 }) {
        let daemon = stage.start_build(build)?;
        let log = daemon.log();
        ensure!(taken_over(&log).is_empty(), "{log}");
        let now = attached(gateway)?;
        ensure!(now.keys().eq(before.keys()), "{before:?}, {now:?}");
        for (name, program) in &now {
            ensure!(before[name] != *program, "{name}: {before:?}, {now:?}");
        }
        let pins = gateway.run_mounted(pinned)??;
        ensure!(pins.keys().eq(NAMES), "{pins:?}");
        before = now;
        daemon.kill()?;
    }
    Ok(())
}

/// What may have become of the pins of a daemon, within the gateway's mounts.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// Another program stands where the one was that judges.
    Foreign,
    /// There are none.
    Gone,
    /// A map was replaced, which programs go on using.
    OtherMap,
}

impl Mishap {
    fn happen(self) -> Result<()> {
        let pins = pinned()?;
        match self {
            Self::Foreign => {
                let of = |name: &str| pins.get(name).with_context(|| format!("no {name}"));
                let mut foreign = Xdp::from_pin(of("lan_ask")?, XdpAttachType::Interface)?;
                fs::remove_file(of("lan_ingress")?)?;
                foreign.pin(of("lan_ingress")?)?;
            }
            Self::Gone => pins.values().try_for_each(fs::remove_file)?,
            Self::OtherMap => fs::remove_file(Path::new(PIN_DIR).join("MISSED"))?,
        }
        Ok(())
    }

    /// Programs that are taken over all the same.
    fn left(self) -> Vec<&'static str> {
        match self {
            Self::Foreign => NAMES
                .into_iter()
                .filter(|name| *name != "lan_ingress")
                .collect(),
            Self::Gone | Self::OtherMap => Vec::new(),
        }
    }
}

#[test]
fn what_does_not_fit_is_loaded_anew() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = &stage.lab.gateway;
    stage.start(&[])?.kill()?;
    let mishaps = [Mishap::Foreign, Mishap::Gone, Mishap::OtherMap];
    for mishap in mishaps.into_iter().take(if is_slow() { 1 } else { 3 }) {
        let before = attached(gateway)?;
        gateway.run_mounted(|| mishap.happen())??;
        let daemon = stage.start(&[])?;
        let log = daemon.log();
        ensure!(taken_over(&log) == mishap.left(), "{mishap:?}: {log}");
        let now = attached(gateway)?;
        let of = |programs: &BTreeMap<String, u32>| {
            let mut judges = programs
                .iter()
                .filter(|(name, _)| name.ends_with(":xdp-native"));
            judges.next().map(|(_, program)| *program)
        };
        ensure!(of(&before) != of(&now), "{mishap:?}: {before:?}, {now:?}");
        let pins = gateway.run_mounted(pinned)??;
        ensure!(pins.keys().eq(NAMES), "{mishap:?}: {pins:?}");
        daemon.kill()?;
    }
    Ok(())
}

#[test]
fn maps_of_a_daemon_that_ended_before_anything_was_in_force_are_used() -> Result<()> {
    let stage = Stage::new()?;
    let gateway = &stage.lab.gateway;
    let number = || -> Result<u32> {
        let map = MapData::from_pin(Path::new(PIN_DIR).join("GENERATION"))?;
        Ok(map.info()?.id())
    };
    let left = gateway.run_mounted(|| -> Result<u32> {
        load(Path::new(PIN_DIR))?;
        number()
    })??;
    let daemon = stage.start(&[])?;
    ensure!(gateway.run_mounted(number)?? == left, "{}", daemon.log());
    daemon.kill()
}

#[test]
fn a_daemon_that_is_killed_while_it_starts_leaves_a_whole_one_to_the_next() -> Result<()> {
    let stage = Stage::new()?;
    let program = gateway::program()?;
    let other = other_build::copy(&program, stage.lab.folder())?;
    stage.start(&[])?.kill()?;
    let hooks = stage.status()?["interfaces"].clone();
    let config = stage.config();
    for (build, ms) in [(&program, 5), (&other, 30), (&program, 80), (&other, 160)] {
        let command = stage.command_of(build, &["run", "--config", &config]);
        let mut killed = Process::spawn("killed", command, stage.lab.folder())?;
        sleep(Duration::from_millis(ms));
        killed.kill()?;
        ensure!(stage.status()?["interfaces"] == hooks, "after {ms} ms");
    }
    let daemon = stage.start(&[])?;
    ensure!(stage.status()?["interfaces"] == hooks, "{}", daemon.log());
    let pins = stage.lab.gateway.run_mounted(pinned)??;
    ensure!(pins.keys().eq(NAMES), "{pins:?}");
    Ok(())
}
