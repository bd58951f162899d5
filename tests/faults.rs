//! Faults of the machine around the daemon: each has a clear message, and what enforces goes on, packet by
//! packet.
//!
//! Second daemons, lost state files and what is taken off are in `restart` and `interfaces`; deadlines in `trial`
//! and `bypass`; the wall clock in `clock`; tables without a place left in `full`; maps of other versions in `layout`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use lab::guard::{self, Guard};
use lab::pace;
use lab::stage::{Daemon, Stage};
use lab::wait;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};

const LIMIT: Duration = Duration::from_secs(30);

/// A gateway that enforces, its daemon, and packets that tell.
fn guarded() -> Result<(Stage, Daemon, Guard)> {
    let stage = Stage::new()?;
    stage.write(&guard::config())?;
    small_disk(&stage)?;
    let daemon = stage.start(&[])?;
    let guard = Guard::start(&stage.lab)?;
    Ok((stage, daemon, guard))
}

/// Gives the gateway's state a disk of its own, which ends with the gateway.
fn small_disk(stage: &Stage) -> Result<()> {
    let state = stage.lab.path("state");
    fs::create_dir(&state)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    on(stage, || {
        Ok(mount("tmpfs", &state, "tmpfs", flags, Some(c"size=4m"))?)
    })
}

/// Does something with the gateway's files, as its mounts show them.
fn on<T: Send>(stage: &Stage, closure: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    stage.lab.gateway.run_mounted(closure)?
}

/// The config with another port, so that a generation would have to be made.
fn another() -> String {
    guard::config().replace("\"4500\"", "\"4500,4600\"")
}

#[test]
fn a_full_disk_keeps_what_is_in_force() -> Result<()> {
    let (stage, mut daemon, guard) = guarded()?;
    let ballast = stage.lab.path("state/ballast");
    on(&stage, || {
        let mut file = fs::File::create(&ballast)?;
        loop {
            match file.write_all(&[0; 4096]) {
                Err(fault) if fault.kind() == io::ErrorKind::StorageFull => return Ok(()),
                written => written?,
            }
        }
    })?;
    let log = stage.refused_reload(&mut daemon, &another())?;
    ensure!(
        log.contains("generation-2.json: No space left on device"),
        "{log}"
    );
    let other = stage.lab.path("other.toml");
    fs::write(&other, another().replace("4600", "4601"))?;
    stage.write(&guard::config())?;
    let apply = [
        "config",
        "apply",
        &other.display().to_string(),
        "--confirm-within",
        "5m",
    ];
    let complaint = stage.refused(&apply)?;
    ensure!(
        complaint.contains("trial.json: No space left on device"),
        "{complaint}"
    );
    ensure!(stage.status()?["trial"].is_null());
    daemon.kill()?;
    let complaint = stage.refused(&["run", "--config", &stage.config()])?;
    ensure!(complaint.contains("No space left on device"), "{complaint}");
    on(&stage, || Ok(fs::remove_file(&ballast)?))?;
    let _daemon = stage.start(&[])?;
    guard.end()
}

#[test]
fn a_read_only_state_folder_keeps_what_is_in_force() -> Result<()> {
    let (stage, mut daemon, guard) = guarded()?;
    let state = stage.lab.path("state");
    on(&stage, || {
        mount_bind(&state, &state)?;
        Ok(mount_remount(
            &state,
            MountFlags::BIND | MountFlags::RDONLY,
            c"",
        )?)
    })?;
    let log = stage.refused_reload(&mut daemon, &another())?;
    ensure!(
        log.contains("generation-2.json: Read-only file system"),
        "{log}"
    );
    daemon.kill()?;
    let complaint = stage.refused(&["run", "--config", &stage.config()])?;
    ensure!(
        complaint.contains("state/lock: Read-only file system"),
        "{complaint}"
    );
    on(&stage, || Ok(unmount(&state, UnmountFlags::empty())?))?;
    let _daemon = stage.start(&[])?;
    ensure!(stage.generation()? == 2);
    guard.end()
}

#[test]
fn damaged_files_of_state_are_named_and_open_no_gap() -> Result<()> {
    let (stage, daemon, guard) = guarded()?;
    daemon.kill()?;
    let state = stage.lab.path("state");
    on(&stage, || {
        for name in [
            "trial.json",
            "bypass.json",
            "generation-1.json",
            "dns/learned.jsonl",
        ] {
            fs::write(state.join(name), "{\"schema\":")?;
        }
        Ok(())
    })?;
    let daemon = stage.start(&[])?;
    let log = daemon.log();
    for name in [
        "trial.json",
        "bypass.json",
        "generation-1.json",
        "learned.jsonl",
    ] {
        ensure!(log.contains(name), "nothing of {name}:\n{log}");
    }
    ensure!(stage.generation()? == 2);
    guard.end()
}

#[test]
fn without_a_bpf_file_system_nothing_starts_and_nothing_ends() -> Result<()> {
    const TOLD: &str = "is not on a BPF file system: run `mount -t bpf bpf /sys/fs/bpf`";

    let (stage, daemon, guard) = guarded()?;
    daemon.kill()?;
    let elsewhere = stage.lab.path("pins");
    let config = stage.config();
    let run = ["run", "--config", &config];
    let pins = elsewhere.display().to_string();
    let complaint = stage.refused(&[&run[..], &["--pin-dir", &pins]].concat())?;
    ensure!(complaint.contains(TOLD), "{complaint}");
    ensure!(!elsewhere.exists(), "it left something behind");
    guard.end()?;
    stage.done(&["detach"])?;
    on(&stage, || {
        Ok(unmount("/sys/fs/bpf", UnmountFlags::empty())?)
    })?;
    let complaint = stage.refused(&run)?;
    ensure!(complaint.contains(TOLD), "{complaint}");
    // As it was told.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    on(&stage, || {
        Ok(mount("bpf", "/sys/fs/bpf", "bpf", flags, None)?)
    })?;
    let _daemon = stage.start(&[])?;
    Ok(())
}

#[test]
fn an_interface_that_goes_leaves_the_others_filtered() -> Result<()> {
    let stage = Stage::new()?;
    stage.ip(&["link", "add", "eth7", "type", "veth", "peer", "name", "far"])?;
    stage.write(&guard::config().replace("[\"lan\"]", "[\"eth7\", \"lan\"]"))?;
    let mut daemon = stage.start(&[])?;
    let guard = Guard::start(&stage.lab)?;
    stage.ip(&["link", "delete", "eth7"])?;
    daemon.wait_for("waiting for eth7: there is no such interface")?;
    let waits = || {
        let status = stage.status()?;
        Ok((status["interfaces"][0]["waiting"] == true).then_some(status))
    };
    let status = wait::until("eth7 to be waited for", LIMIT, waits)?;
    ensure!(!status["interfaces"][1]["xdp"].is_null(), "{status}");
    guard.end()
}

#[test]
fn what_does_not_fit_into_a_table_changes_nothing() -> Result<()> {
    /// One more than the kernel's table of clients holds, beside the two that are there.
    const CLIENTS: u32 = 65_535;

    let (stage, mut daemon, guard) = guarded()?;
    let mut clients = String::new();
    for number in 0..CLIENTS {
        let [_, a, b, c] = number.to_be_bytes();
        write!(clients, "\"11.{a}.{b}.{c}\", ")?;
    }
    let many = guard::config().replace("clients = [", &format!("clients = [{clients}"));
    let log = stage.refused_reload(&mut daemon, &many)?;
    ensure!(
        log.contains(
            "clients: 65537 prefixes are more than the 65536 that the kernel's table holds"
        ),
        "{}",
        log.get(log.len().saturating_sub(500)..).unwrap_or(&log)
    );
    guard.end()
}

#[test]
fn a_stale_lock_and_a_stale_socket_are_taken_over() -> Result<()> {
    let (stage, daemon, guard) = guarded()?;
    let killed = daemon.id();
    daemon.kill()?;
    let state = stage.lab.path("state");
    let lock = on(&stage, || {
        ensure!(
            state.join("control.sock").exists(),
            "the kill took its socket along"
        );
        // A number that has meanwhile come to somebody else.
        let lock = fs::read_to_string(state.join("lock"))?;
        fs::write(state.join("lock"), format!("{}\n", std::process::id()))?;
        Ok(lock)
    })?;
    ensure!(lock.trim() == killed.to_string(), "{lock}");
    ensure!(stage.status()?["daemon"]["running"] == false);
    let gone = stage.refused(&["confirm"])?;
    ensure!(gone.contains("no daemon listens"), "{gone}");
    let daemon = stage.start(&[])?;
    ensure!(stage.status()?["daemon"]["pid"] == daemon.id());
    let answered = stage.refused(&["confirm"])?;
    ensure!(answered.contains("nothing is on trial"), "{answered}");
    daemon.kill()?;
    // What cannot be a socket costs the commands that need one, and nothing else.
    on(&stage, || {
        fs::remove_file(state.join("control.sock"))?;
        Ok(fs::create_dir_all(state.join("control.sock/in-the-way"))?)
    })?;
    let daemon = stage.start(&[])?;
    ensure!(
        daemon.log().contains("cannot listen at"),
        "{}",
        daemon.log()
    );
    guard.end()
}

#[test]
fn a_daemon_that_is_ended_in_the_middle_of_a_swap_leaves_a_whole_generation() -> Result<()> {
    let (prefixes, pauses): (u32, &[u64]) = match pace::is_slow() {
        true => (2_000, &[300]),
        false => (20_000, &[0, 10, 50, 150, 400]),
    };
    let (stage, mut daemon, guard) = guarded()?;
    let large = large(prefixes);
    let before = stage.status()?["generation"]["prefixes"].clone();
    let mut whole = vec![before];
    for pause in pauses {
        stage.write(&large)?;
        daemon.hang_up()?;
        thread::sleep(Duration::from_millis(*pause));
        let (code, log) = daemon.terminate()?;
        ensure!(code == Some(0), "{code:?}: {log}");
        ensure!(log.contains("what is pinned goes on enforcing"), "{log}");
        let status = stage.status()?;
        let seen = status["generation"]["prefixes"].clone();
        if !whole.contains(&seen) {
            whole.push(seen);
        }
        ensure!(whole.len() <= 2, "{whole:?}");
        ensure!(status["daemon"]["running"] == false, "{status}");
        stage.write(&guard::config())?;
        daemon = stage.start(&[])?;
    }
    guard.end()
}

/// The config, and a set of very many prefixes besides.
fn large(prefixes: u32) -> String {
    let mut ips = String::new();
    for number in 0..prefixes {
        let [_, a, b, c] = number.to_be_bytes();
        // Writing into a string cannot fail.
        let _ = write!(ips, "\"12.{a}.{b}.{c}\", ");
    }
    let set =
        format!("[[source.lab.set]]\nid = 2\nips = [{ips}]\ntcpPorts = \"443\"\n\n[group.staging]");
    guard::config().replace("[group.staging]", &set)
}
