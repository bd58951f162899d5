//! Upgrades that change the layout of maps: nothing is lost, whenever a daemon is killed, and maps that a version does
//! not know are left alone.

mod traffic;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use egress_common::verdict::Counter;
use egress_ctl::dataplane::layout::{FIRST, Note, VERSION, written};
use lab::gateway;
use lab::guard::{self, Guard};
use lab::other_build;
use lab::pace::is_slow;
use lab::pins::{PIN_DIR, attached};
use lab::process::Process;
use lab::stage::Stage;
use lab::strike::{self, Strike};
use lab::wait;
use rustix::process::{Pid, Signal, kill_process};

use self::traffic::Traffic;

/// Maps that another version might have of other sizes; two of them are counters.
const RESIZED: [(&str, u32); 2] = [("MISSED", 12_288), ("VERDICTS", 65_536)];
const LIMIT: Duration = Duration::from_secs(60);
/// What a daemon logs that makes new maps.
const ANOTHER: &str = "maps of another version are pinned";

/// What is below the pin directory, by names.
fn folders(stage: &Stage) -> Result<Vec<String>> {
    stage.lab.gateway.run_mounted(|| {
        let mut names = Vec::new();
        for entry in fs::read_dir(PIN_DIR)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    })?
}

#[test]
fn an_upgrade_to_maps_of_other_sizes_keeps_every_count() -> Result<()> {
    let stage = Stage::new()?;
    stage.write(&traffic::config())?;
    let program = gateway::program()?;
    let other = other_build::resized(&program, stage.lab.folder(), &RESIZED)?;
    let mut traffic = Traffic::prepare(&stage.lab)?;
    let daemon = stage.start_build(&other)?;
    traffic.send(20)?;
    traffic.is_counted(&stage)?;
    daemon.kill()?;
    // Forth and back, and what was carried over is carried over again.
    let builds = [&program, &other, &program];
    for build in builds.into_iter().take(if is_slow() { 1 } else { 3 }) {
        let daemon = traffic.during(|| stage.start_build(build))?;
        let log = daemon.log();
        ensure!(log.contains(ANOTHER), "{log}");
        traffic.is_counted(&stage)?;
        let folders = folders(&stage)?;
        ensure!(folders == ["carried", "links", "programs"], "{folders:?}");
        daemon.kill()?;
    }
    // The same maps are taken over as they are.
    let daemon = traffic.during(|| stage.start(&[]))?;
    ensure!(!daemon.log().contains(ANOTHER), "{}", daemon.log());
    traffic.is_counted(&stage)?;
    daemon.kill()?;
    stage.done(&["detach"])?;
    let left = stage
        .lab
        .gateway
        .run_mounted(|| Path::new(PIN_DIR).exists())?;
    ensure!(!left, "detach left pins");
    Ok(())
}

/// A start of a build by strace, with these words before it.
fn traced(stage: &Stage, words: &[String], build: &Path) -> Command {
    let program = build.display().to_string();
    let config = stage.config();
    let mut all: Vec<&str> = words.iter().map(String::as_str).collect();
    all.extend([&program, "run", "--config", &config]);
    stage.command_of(Path::new(all[0]), &all[1..])
}

/// Kills a traced daemon; strace ends with it.
fn kill_traced(stage: &Stage, mut strace: Process) -> Result<()> {
    let pid = stage.status()?["daemon"]["pid"].as_u64();
    if let Some(pid) = pid.and_then(|pid| Pid::from_raw(pid as i32)) {
        kill_process(pid, Signal::KILL)?;
    }
    wait::until("strace to end", LIMIT, || Ok(strace.alive().err()))?;
    Ok(())
}

/// Calls at which an upgrade is killed, by what they say, and which of all such calls: the first, those in between, or
/// the last. Folders come, go and move, pins are moved and removed one by one, links get other programs, sums are
/// pinned.
const STRUCK: [(&str, &str, &[Of]); 9] = [
    ("mkdir(", "/moving\"", &[Of::First]),
    ("rename(", "/moving/", &[Of::Middle, Of::Last]),
    ("rename(", "/moving\", ", &[Of::First]),
    ("bpf(BPF_MAP_UPDATE_ELEM", "", &[Of::Middle]),
    ("bpf(BPF_LINK_UPDATE", "", &[Of::First, Of::Last]),
    ("mkdir(", "/carrying\"", &[Of::First]),
    ("bpf(BPF_OBJ_PIN", "/carrying/", &[Of::Middle]),
    ("rename(", "/carrying\"", &[Of::First]),
    ("unlinkat(", "", &[Of::First, Of::Middle, Of::Last]),
];

/// Which of some calls.
#[derive(Clone, Copy)]
enum Of {
    First,
    Middle,
    Last,
}

fn chosen(strikes: &[Strike]) -> Vec<&Strike> {
    let chosen = STRUCK.iter().flat_map(|(call, word, which)| {
        let all: Vec<_> = strikes
            .iter()
            .filter(|one| one.what.starts_with(call) && one.what.contains(word))
            .collect();
        let place = move |of: &Of| {
            match of {
                Of::First => all.first(),
                Of::Middle => all.get(all.len() / 2),
                Of::Last => all.last(),
            }
            .copied()
        };
        which.iter().filter_map(place).collect::<Vec<_>>()
    });
    chosen.collect()
}

#[test]
fn a_kill_at_any_step_of_an_upgrade_loses_no_count_and_tells_none_twice() -> Result<()> {
    const NAME: &str = "a_kill_at_any_step_of_an_upgrade_loses_no_count_and_tells_none_twice";

    if !strike::is_there() {
        println!("skipped: {NAME}: there is no strace");
        return Ok(());
    }
    let stage = Stage::new()?;
    stage.write(&traffic::config())?;
    let program = gateway::program()?;
    let other = other_build::resized(&program, stage.lab.folder(), &RESIZED)?;
    let mut traffic = Traffic::prepare(&stage.lab)?;
    stage.start_build(&other)?.kill()?;
    traffic.send(5)?;
    stage.start_build(&program)?.kill()?;
    // What an upgrade calls that carries over what was carried over.
    let log = stage.lab.path("calls");
    let mut watched = Process::spawn(
        "watched",
        traced(&stage, &strike::watch(&log), &other),
        stage.lab.folder(),
    )?;
    wait::until("the watched daemon", LIMIT, || {
        watched.alive()?;
        Ok(watched
            .complaints()
            .contains("is in force: mode")
            .then_some(()))
    })?;
    kill_traced(&stage, watched)?;
    let strikes = strike::strikes(&log)?;
    let chosen = chosen(&strikes);
    let wanted: usize = STRUCK.iter().map(|(_, _, which)| which.len()).sum();
    ensure!(
        chosen.len() == wanted,
        "{} of {} calls: {chosen:?}",
        chosen.len(),
        strikes.len()
    );
    let builds = [&program, &other].into_iter().cycle();
    let mut killed = 0;
    for (strike, build) in chosen.iter().zip(builds) {
        let command = traced(&stage, &strike.words(), build);
        let mut struck = Process::spawn("struck", command, stage.lab.folder())?;
        let ended = traffic.during(|| {
            wait::until("the end of a struck daemon", LIMIT, || {
                let is_done = struck.complaints().contains("is in force: mode");
                Ok(struck
                    .alive()
                    .err()
                    .map(|_| true)
                    .or(is_done.then_some(false)))
            })
        })?;
        match ended {
            true => killed += 1,
            false => kill_traced(&stage, struck)?,
        }
        traffic.send(3)?;
        traffic
            .is_counted(&stage)
            .with_context(|| format!("killed at {}", strike.what))?;
        let daemon = traffic.during(|| stage.start_build(build))?;
        traffic
            .is_counted(&stage)
            .with_context(|| format!("behind {}: {}", strike.what, daemon.log()))?;
        let folders = folders(&stage)?;
        ensure!(
            folders == ["carried", "links", "programs"],
            "{}: {folders:?}",
            strike.what
        );
        daemon.kill()?;
    }
    ensure!(
        killed + 1 >= chosen.len(),
        "only {killed} of {} were killed",
        chosen.len()
    );
    Ok(())
}

/// Puts a map in the place of a pin, within the gateway's mounts.
fn put(stage: &Stage, name: &str, make: impl FnOnce(&Path) -> Result<()> + Send) -> Result<()> {
    let path = Path::new(PIN_DIR).join(name);
    stage.lab.gateway.run_mounted(|| {
        fs::remove_file(&path)?;
        make(&path)
    })?
}

/// Puts a note of another layout in the place of the one there is.
fn put_note(stage: &Stage, note: Note) -> Result<()> {
    put(stage, "LAYOUT", |path| {
        let mut map = Array::<MapData, Note>::create(1, 0)?;
        map.set(0, &note, 0)?;
        Ok(map.pin(path)?)
    })
}

#[test]
fn maps_of_an_unknown_layout_are_refused_and_what_runs_goes_on() -> Result<()> {
    let stage = Stage::new()?;
    stage.write(&guard::config())?;
    stage.start(&[])?.kill()?;
    let guard = Guard::start(&stage.lab)?;
    let before = attached(&stage.lab.gateway)?;
    let config = stage.config();
    let run = ["run", "--config", config.as_str()];
    let is_refused = |words: &[&str]| -> Result<()> {
        for command in [&run[..], &["status"], &["metrics"]] {
            let complaint = stage.refused(command)?;
            let says = |word: &&str| complaint.contains(*word);
            ensure!(words.iter().all(says), "{command:?}: {complaint}");
        }
        ensure!(attached(&stage.lab.gateway)? == before);
        Ok(())
    };
    put_note(&stage, written(VERSION + 1, "9.8.7"))?;
    let newer = format!("have layout {}, made by egress 9.8.7", VERSION + 1);
    let knows = format!("knows layouts {FIRST} to {VERSION}");
    let what_to_do = "start that version or a newer one";
    is_refused(&[&newer, &knows, what_to_do, "egress-ctl detach"])?;
    put_note(&stage, [0; 32])?;
    let unreadable = "LAYOUT does not say which layout the maps have (it holds no number)";
    is_refused(&[unreadable, &knows, "start the version that made them"])?;
    put(&stage, "LAYOUT", |path| {
        Ok(HashMap::<MapData, u64, u64>::create(1, 0)?.pin(path)?)
    })?;
    is_refused(&["LAYOUT does not say", &knows])?;
    // It is as it was told: nothing was changed, and the version that knows it goes on.
    put_note(&stage, written(VERSION, "0.1.0"))?;
    let daemon = stage.start(&[])?;
    ensure!(!daemon.log().contains(ANOTHER), "{}", daemon.log());
    guard.end()?;
    daemon.kill()?;
    put_note(&stage, written(VERSION + 1, "9.8.7"))?;
    stage.done(&["detach"])?;
    let _daemon = stage.start(&[])?;
    Ok(())
}

/// Counters as the first layout has them, each with the same on every CPU, and with one more on the first.
fn first_layout(path: &Path, entries: u32, counted: &[(u32, Counter)]) -> Result<()> {
    let mut map = PerCpuArray::<MapData, Counter>::create(entries, 0)?;
    for (place, counter) in counted {
        map.set(*place, values(*counter)?, 0)?;
    }
    Ok(map.pin(path)?)
}

fn values<V: Pod>(value: V) -> Result<PerCpuValues<V>> {
    let cpus = nr_cpus().map_err(|(what, source)| anyhow::anyhow!("{what}: {source}"))?;
    Ok(PerCpuValues::try_from(vec![value; cpus.get() as usize])?)
}

#[test]
fn counters_of_the_first_layout_are_converted() -> Result<()> {
    /// Its places: group 1, which is `staging`, and no group; numbers of actions and reasons.
    const fn verdict(group: u32, action: u32, reason: u32) -> u32 {
        (group * 4 + action) * 32 + reason
    }
    let stage = Stage::new()?;
    stage.start(&[])?.kill()?;
    let counter = |packets| Counter {
        packets,
        bytes: packets * 60,
    };
    // allow prefix, drop wrong-port, and drop no-group.
    let verdicts = [
        (verdict(1, 0, 5), counter(7)),
        (verdict(1, 1, 17), counter(1_000)),
        (verdict(0, 1, 22), counter(3)),
    ];
    put(&stage, "VERDICTS", |path| {
        first_layout(path, 128 * 4 * 32, &verdicts)
    })?;
    put(&stage, "REPLIES", |path| {
        first_layout(path, 128 * 32, &[(32 + 5, counter(11))])
    })?;
    put_note(&stage, written(FIRST, "0.0.9"))?;
    let daemon = stage.start(&[])?;
    ensure!(daemon.log().contains("(layout 1)"), "{}", daemon.log());
    let status = stage.status()?;
    let cpus = u64::from(nr_cpus().map_err(|(what, _)| anyhow::anyhow!(what))?.get());
    let of = |group: &str| {
        let groups = status["groups"].as_array().into_iter().flatten();
        let mut groups = groups.filter(|one| one["group"].as_str().unwrap_or_default() == group);
        groups
            .next()
            .with_context(|| format!("no {group}: {status}"))
    };
    let counted = |one: &serde_json::Value, packets: u64| {
        one["packets"] == packets * cpus && one["bytes"] == packets * cpus * 60
    };
    let staging = of("staging")?;
    let [allowed, denied] = [&staging["verdicts"][0], &staging["verdicts"][1]];
    ensure!(
        allowed["reason"] == "prefix" && counted(allowed, 7),
        "{staging}"
    );
    ensure!(
        denied["action"] == "drop" && denied["reason"] == "wrong-port" && counted(denied, 1_000),
        "{staging}"
    );
    ensure!(counted(&staging["replies"][0], 11), "{staging}");
    let nobody = of("")?;
    let no_group = nobody["verdicts"].as_array().into_iter().flatten();
    let mut no_group = no_group.filter(|one| one["reason"] == "no-group");
    ensure!(
        no_group.next().is_some_and(|one| counted(one, 3)),
        "{nobody}"
    );
    Ok(())
}
