//! What a process takes (proc_pid_stat(5)).

use std::fs;

use rustix::param::{clock_ticks_per_second, page_size};

use super::facts::Process;

/// Places of fields, counted behind the command's name in brackets, which may hold anything.
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTTIME: usize = 19;
const VSIZE: usize = 20;
const RSS: usize = 21;

/// Of a process; none where it is gone.
pub(super) fn of(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let booted = booted(&fs::read_to_string("/proc/stat").ok()?)?;
    let units = Units {
        ticks: clock_ticks_per_second(),
        page: u64::try_from(page_size()).ok()?,
        booted,
    };
    read(&stat, &units)
}

struct Units {
    /// Of a second.
    ticks: u64,
    /// Bytes of a page.
    page: u64,
    /// When the machine started, in seconds since 1970.
    booted: u64,
}

fn booted(stat: &str) -> Option<u64> {
    let mut lines = stat.lines();
    lines
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn read(stat: &str, units: &Units) -> Option<Process> {
    let (_, behind) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = behind.split_whitespace().collect();
    let field = |place: usize| fields.get(place)?.parse::<u64>().ok();
    let seconds = |ticks: u64| ticks as f64 / units.ticks as f64;
    Some(Process {
        cpu: seconds(field(UTIME)? + field(STIME)?),
        resident: field(RSS)?.checked_mul(units.page)?,
        virtual_memory: field(VSIZE)?,
        started: units.booted as f64 + seconds(field(STARTTIME)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_be_called_as_it_likes() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 4 0 1000 8192 3 18446744073709551615 1";
        let units = Units {
            ticks: 100,
            page: 4096,
            booted: 1_000_000,
        };
        let expected = Process {
            cpu: 3.0,
            resident: 12_288,
            virtual_memory: 8192,
            started: 1_000_010.0,
        };
        assert_eq!(read(stat, &units), Some(expected));
        assert_eq!(read("7 (a) S 1", &units), None);
        assert_eq!(booted("cpu 1 2\nbtime 5\n"), Some(5));
    }

    #[test]
    fn this_process_takes_something() {
        let own = of(std::process::id()).unwrap();
        assert!(own.resident > 0 && own.started > 1e9, "{own:?}");
        assert_eq!(of(u32::MAX), None);
    }
}
