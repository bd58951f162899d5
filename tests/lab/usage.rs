//! What a process takes of the machine: processor time of all its threads, and memory.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

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

/// CPU time that a process has taken so far, in all its threads, to a tick of the clock (10 ms).
pub fn cpu_time(process: u32) -> Result<Duration> {
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("no times in {path}"))?;
    Ok(Duration::from_secs(ticks) / u32::try_from(clock_ticks_per_second())?)
}

/// User and system time (proc_pid_stat(5)): the 12th and 13th field behind the name, which may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut times = fields.split(' ').skip(11).map(|field| field.parse().ok());
    let (user, system): (Option<u64>, Option<u64>) = (times.next()?, times.next()?);
    Some(user? + system?)
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
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 9 0 1 0 25 17 0 0 20 0 1 0";
        assert_eq!(ticks(stat), Some(42));
        assert_eq!(ticks("7 (a) S 1"), None);
    }

    #[test]
    fn fields_are_read_by_their_whole_name() {
        let status = "VmHWM:\t   20480 kB\nVmRSS:\t   10240 kB\nThreads:\t3\n";
        assert_eq!(kib(status, "VmRSS:"), Some(10_240));
        assert_eq!(kib(status, "VmHWM:"), Some(20_480));
        assert_eq!(kib(status, "Threads:"), None);
        assert_eq!(kib(status, "Vm"), None);
    }
}
