//! Whatever ends a lab, no process, namespace, mount or file of it remains.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::announced;
use lab::host::{Host, Life};
use lab::site::Site;
use lab::topology::UPLINK;
use lab::wait;
use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_lab_that_is_dropped_leaves_nothing() -> Result<()> {
    let site = Site::start(Life::Bound, &announced::zone(), &[])?;
    let processes = site.processes();
    let traces = Traces::of(&processes, site.lab.folder())?;
    let witness = site.lab.internet.clone();
    ensure!(
        has_link(&witness)?,
        "the internet should be linked to the gateway"
    );

    drop(site);

    traces.wait_until_gone(LIMIT)?;
    ensure!(!traces.folder.exists(), "the folder is still there");
    wait::until("the gateway's end of the link to vanish", LIMIT, || {
        Ok((!has_link(&witness)?).then_some(()))
    })
}

#[test]
fn a_lab_is_invisible_to_the_machine() -> Result<()> {
    let site = Site::start(Life::Bound, &announced::zone(), &[])?;
    let folder = site.lab.folder().display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    ensure!(!mounts.contains(&folder), "a mount of the lab is visible");
    let processes = site.processes();
    let named = fs::read_dir("/run/netns").into_iter().flatten().count();
    for id in processes {
        let own = fs::read_link("/proc/self/ns/net")?;
        ensure!(
            own != fs::read_link(format!("/proc/{id}/ns/net"))?,
            "{id} runs on the machine"
        );
    }
    drop(site);
    let after = fs::read_dir("/run/netns").into_iter().flatten().count();
    ensure!(named == after, "the lab named a namespace");
    Ok(())
}

#[test]
fn a_lab_that_is_interrupted_leaves_nothing() -> Result<()> {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let (mut lab, traces) = start_and_read()?;
        kill_process(Pid::from_child(&lab), signal)?;
        let status = lab.wait()?;
        ensure!(
            status.code() == Some(130),
            "{signal:?} ended it with {status}"
        );
        traces.wait_until_gone(LIMIT)?;
        ensure!(
            !traces.folder.exists(),
            "{signal:?}: the folder is still there"
        );
    }
    Ok(())
}

#[test]
fn a_lab_that_is_killed_leaves_only_its_folder() -> Result<()> {
    let (mut lab, traces) = start_and_read()?;
    lab.kill()?;
    lab.wait()?;
    traces.wait_until_gone(LIMIT)?;
    fs::remove_dir_all(&traces.folder)?;
    Ok(())
}

/// By what the lab's processes would be recognised.
struct Traces {
    /// Each process with the network it was seen in, since ids are used again.
    processes: Vec<(u32, PathBuf)>,
    folder: PathBuf,
}

impl Traces {
    fn of(processes: &[u32], folder: &Path) -> Result<Self> {
        let network = |id: &u32| -> Result<_> { Ok((*id, fs::read_link(network(*id))?)) };
        Ok(Self {
            processes: processes.iter().map(network).collect::<Result<_>>()?,
            folder: folder.to_owned(),
        })
    }

    fn wait_until_gone(&self, limit: Duration) -> Result<()> {
        for (id, net) in &self.processes {
            wait::until(&format!("process {id} to end"), limit, || {
                let there = fs::read_link(network(*id)).is_ok_and(|now| now == *net);
                Ok((!there).then_some(()))
            })?;
        }
        Ok(())
    }
}

/// Runs `egress-lab up` as a process of its own.
fn start_and_read() -> Result<(Child, Traces)> {
    let mut lab = Command::new(env!("CARGO_BIN_EXE_egress-lab"))
        .args(["up", "--json"])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = lab.stdout.take().context("the output is piped")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let up: serde_json::Value =
        serde_json::from_str(&line).context("egress-lab up says no JSON")?;
    let processes: Vec<u32> = serde_json::from_value(up["processes"].clone())?;
    ensure!(
        processes.len() == 6,
        "three servers and three anchors: {processes:?}"
    );
    let folder: PathBuf = serde_json::from_value(up["folder"].clone())?;
    let traces = Traces::of(&processes, &folder)?;
    Ok((lab, traces))
}

fn has_link(host: &Host) -> Result<bool> {
    let devices = host.run(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
    Ok(devices.contains(UPLINK))
}

fn network(process: u32) -> String {
    format!("/proc/{process}/ns/net")
}
