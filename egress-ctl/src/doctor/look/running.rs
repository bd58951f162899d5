//! Asks what runs here: who holds the locks, what is in force, and which processes look like daemons.

use std::{fs, path::Path};

use crate::{
    daemon::{self, LockError, Places, holder},
    dataplane::{
        maps::{Pinned, PinnedError},
        swap::{self, SwapError},
    },
    doctor::running::{InForce, Running},
    lever::bypass,
    state::StateDir,
};

/// Asks it.
pub(super) fn look(places: &Places) -> Running {
    let daemon = holder(&places.state_dir);
    Running {
        daemon,
        pins_are_held: pins_are_held(places, daemon),
        others: others(daemon),
        force: in_force(places),
        is_bypassed: bypass::now(places).is_ok_and(|state| state.is_some()),
    }
}

fn pins_are_held(places: &Places, daemon: Option<u32>) -> Option<bool> {
    if daemon.is_some() {
        return Some(true);
    }
    match daemon::pins(&places.pin_dir) {
        Ok(_) => Some(false),
        Err(LockError::Held { .. }) => Some(true),
        Err(LockError::File { .. }) => None,
    }
}

fn in_force(places: &Places) -> InForce {
    let number = match swap::enforced(Pinned(&places.pin_dir)) {
        Ok(0) | Err(SwapError::Pinned(PinnedError::NotLoaded(_))) => return InForce::Nothing,
        Ok(number) => number,
        Err(fault) => return InForce::Unreadable(fault.to_string()),
    };
    match StateDir(&places.state_dir).load(number) {
        Ok(Some(snapshot)) => InForce::Known {
            number,
            mode: snapshot.summary.mode,
        },
        Ok(None) => InForce::Unknown {
            number,
            why: format!("there is no file of it in {}", places.state_dir.display()),
        },
        Err(fault) => InForce::Unknown {
            number,
            why: fault.to_string(),
        },
    }
}

/// Further processes of this network that run `egress-ctl run`.
fn others(daemon: Option<u32>) -> Vec<u32> {
    let own = network("self");
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_other = |pid: &u32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        Some(*pid) != daemon && is_daemon(&command) && network(&pid.to_string()) == own
    };
    let mut others: Vec<_> = pids.filter(is_other).collect();
    others.sort_unstable();
    others
}

/// The network namespace of a process.
fn network(pid: &str) -> Option<std::path::PathBuf> {
    fs::read_link(format!("/proc/{pid}/ns/net")).ok()
}

/// Whether a command line (proc_pid_cmdline(5)) is that of a daemon.
fn is_daemon(command: &[u8]) -> bool {
    let mut words = command.split(|byte| *byte == 0);
    let program = words.next().and_then(|word| std::str::from_utf8(word).ok());
    let name = program.and_then(|program| Path::new(program).file_name());
    name.is_some_and(|name| name == "egress-ctl") && words.any(|word| word == b"run")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn daemons_are_known_by_their_command_line() {
        let table: [(&[u8], bool); 6] = [
            (b"/usr/bin/egress-ctl\0run\0--config\0x\0", true),
            (b"egress-ctl\0--state-dir\0/s\0run\0", true),
            (b"egress-ctl\0status\0", false),
            (b"vim\0egress-ctl\0run\0", false),
            (b"", false),
            (b"\xff\0run\0", false),
        ];
        for (command, expected) in table {
            assert_eq!(
                is_daemon(command),
                expected,
                "{}",
                String::from_utf8_lossy(command)
            );
        }
    }
}
