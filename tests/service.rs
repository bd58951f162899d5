//! The daemon as a service: what the service manager is told, what the daemon may do, and its unit.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use lab::stage::{Daemon, Stage};
use rustix::process::{Pid, Signal, kill_process};

const UNIT: &str = include_str!("../egress-ctl/packaging/egress.service");
const LIMIT: Duration = Duration::from_secs(120);
/// Highest exposure that systemd may find, in tenths.
const EXPOSURE: &str = "25";

/// A service manager, as far as the daemon sees it.
struct Manager(UnixDatagram);

impl Manager {
    fn new(socket: &Path) -> Result<Self> {
        let socket = UnixDatagram::bind(socket)?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(Self(socket))
    }

    /// Waits for a message; signs of life come at any time.
    fn wait_for(&self, line: &str) -> Result<String> {
        let mut bytes = [0; 4096];
        loop {
            let len = self
                .0
                .recv(&mut bytes)
                .with_context(|| format!("no {line}"))?;
            let said = String::from_utf8_lossy(&bytes[..len]).into_owned();
            if said.lines().any(|said| said == line) {
                return Ok(said);
            }
            ensure!(said.trim() == "WATCHDOG=1", "{said}, expected {line}");
        }
    }
}

fn terminate(daemon: &Daemon) -> Result<()> {
    let pid = i32::try_from(daemon.id()).ok().and_then(Pid::from_raw);
    Ok(kill_process(pid.context("no process")?, Signal::TERM)?)
}

#[test]
fn the_service_manager_is_told_what_it_waits_for() -> Result<()> {
    let stage = Stage::new()?;
    let socket = stage.lab.path("notify");
    let manager = Manager::new(&socket)?;
    let mut command = stage.command(&["run", "--config", &stage.config()])?;
    command.env("NOTIFY_SOCKET", &socket);
    command.env("WATCHDOG_USEC", "600000");
    let mut daemon = stage.spawn(command)?;
    let ready = manager.wait_for("READY=1")?;
    ensure!(
        ready.contains("STATUS=generation 1 is in force, mode enforce"),
        "{ready}"
    );
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1")?;
    }
    daemon.hang_up()?;
    let reloading = manager.wait_for("RELOADING=1")?;
    ensure!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    let ready = manager.wait_for("READY=1")?;
    ensure!(ready.contains("generation 2"), "{ready}");
    terminate(&daemon)?;
    manager.wait_for("STOPPING=1")?;
    daemon.wait_for("what is pinned goes on enforcing")?;
    Ok(())
}

/// A line of a thread's status (proc_pid_status(5)), as a hexadecimal number.
fn field(status: &str, name: &str) -> Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.with_context(|| format!("no {name}"))?.trim();
    Ok(u64::from_str_radix(value, 16)?)
}

#[test]
fn the_daemon_keeps_no_privilege_that_it_does_not_need() -> Result<()> {
    /// CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF (linux/capability.h).
    const NEEDED: u64 = 1 << 2 | 1 << 12 | 1 << 38 | 1 << 39;

    let stage = Stage::new()?;
    let mut daemon = stage.start(&[])?;
    daemon.hang_up()?;
    daemon.wait_for("generation 2 is in force")?;
    let mut threads = BTreeSet::new();
    for task in fs::read_dir(format!("/proc/{}/task", daemon.id()))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let name = status.lines().next().unwrap_or_default().to_owned();
        for set in ["CapEff:", "CapPrm:", "CapInh:", "CapAmb:"] {
            let held = field(&status, set)?;
            ensure!(held & !NEEDED == 0, "{name}: {set} {held:x}");
        }
        ensure!(
            field(&status, "NoNewPrivs:")? == 1,
            "{name} may gain privileges"
        );
        threads.insert(name);
    }
    ensure!(threads.len() >= 2, "{threads:?}");
    Ok(())
}

#[test]
fn systemd_understands_the_unit_and_finds_it_closed() -> Result<()> {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        println!(
            "skipped: systemd_understands_the_unit_and_finds_it_closed: there is no systemd-analyze"
        );
        return Ok(());
    };
    ensure!(version.status.success(), "{version:?}");
    let dir = tempfile::tempdir()?;
    let unit = dir.path().join("egress.service");
    // The program of a package is not there.
    let program = std::env::current_exe()?;
    fs::write(
        &unit,
        UNIT.replace("/usr/bin/egress-ctl", &program.display().to_string()),
    )?;
    let threshold = format!("--threshold={EXPOSURE}");
    for arguments in [
        ["verify", "--man=no"].as_slice(),
        ["security", "--offline=true", "--no-pager", &threshold].as_slice(),
    ] {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output()?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        let is_fine = output.status.success() && complaint.is_empty();
        if !is_fine {
            bail!(
                "{arguments:?}: {complaint}{}",
                String::from_utf8_lossy(&output.stdout)
            );
        }
    }
    Ok(())
}
