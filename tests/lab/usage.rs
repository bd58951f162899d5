//! What a process takes of the machine: processor time of all its threads, and memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cpu;

/// Memory of a process, in KiB (proc_pid_status(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// All that is in memory.
    pub resident: u64,
    /// Of that, what is its own.
    pub anonymous: u64,
    /// The most that was in memory at once.
    pub peak: u64,
}

/// CPU time that the threads of a process have taken so far.
pub fn cpu_time(process: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let name = task?.file_name();
        let id = name.to_str().and_then(|name| name.parse().ok());
        sum += cpu::time_of(id.context("a thread without a number")?)?;
    }
    Ok(sum)
}

/// Memory that a process has now.
pub fn memory(process: u32) -> Result<Memory> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name| kib(&status, name).with_context(|| format!("no {name} in {path}"));
    Ok(Memory {
        resident: field("VmRSS:")?,
        anonymous: field("RssAnon:")?,
        peak: field("VmHWM:")?,
    })
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let status = "VmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t3\n";
        assert_eq!(kib(status, "VmRSS:"), Some(10_240));
        assert_eq!(kib(status, "VmHWM:"), Some(20_480));
        assert_eq!(kib(status, "Threads:"), None);
        assert_eq!(kib(status, "Vm"), None);
    }
}
