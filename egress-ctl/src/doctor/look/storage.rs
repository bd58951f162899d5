//! Asks where state and pins are, and how much memory there is.

use std::{fs, path::Path};

use rustix::fs::{StatVfsMountFlags, statvfs};

use crate::{
    daemon::Places,
    dataplane::load::check_bpffs,
    doctor::storage::{Disk, Storage},
};

const MIB: u64 = 1 << 20;

/// Asks; the control group is that of the daemon where one runs.
pub(super) fn look(places: &Places, daemon: Option<u32>) -> Storage {
    let Places { state_dir, pin_dir } = places;
    Storage {
        pin_dir: pin_dir.display().to_string(),
        on_bpffs: check_bpffs(pin_dir).is_ok(),
        is_loaded: pin_dir.join("GENERATION").exists(),
        available_mib: available(&fs::read_to_string("/proc/meminfo").unwrap_or_default()),
        limit_mib: limit(daemon),
        state_dir: state_dir.display().to_string(),
        disk: disk(state_dir),
    }
}

/// `MemAvailable` of proc_meminfo(5), in MiB.
fn available(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024)
}

/// The least that a control group on the way to the root one may use (cgroups(7), version 2).
fn limit(daemon: Option<u32>) -> Option<u64> {
    let who = daemon.map_or_else(|| "self".to_owned(), |pid| pid.to_string());
    let groups = fs::read_to_string(format!("/proc/{who}/cgroup")).ok()?;
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folders = Path::new(own).ancestors();
    let limits = folders.filter_map(|folder| {
        let path = Path::new("/sys/fs/cgroup").join(folder).join("memory.max");
        // `max` where there is no limit.
        fs::read_to_string(path).ok()?.trim().parse::<u64>().ok()
    });
    limits.min().map(|bytes| bytes / MIB)
}

/// The file system of a folder, or of the one that it would be made in.
fn disk(folder: &Path) -> Option<Disk> {
    let there = folder.ancestors().find(|folder| folder.is_dir())?;
    let asked = statvfs(there).ok()?;
    Some(Disk {
        is_read_only: asked.f_flag.contains(StatVfsMountFlags::RDONLY),
        free_mib: asked.f_bavail * asked.f_frsize / MIB,
        free_files: match asked.f_files {
            // Those that make them as they are needed.
            0 => u64::MAX,
            _ => asked.f_favail,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_available_is_read() {
        let text = "MemTotal:       16000000 kB\nMemAvailable:    2048000 kB\n";
        assert_eq!(available(text), Some(2000));
        assert_eq!(available(""), None);
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_is_on_the_disk_above() {
        let dir = tempfile::tempdir().unwrap();
        let here = disk(dir.path()).unwrap();
        let below = disk(&dir.path().join("a/b")).unwrap();
        assert_eq!(here.is_read_only, below.is_read_only);
        assert!(here.free_files > 0);
    }
}
