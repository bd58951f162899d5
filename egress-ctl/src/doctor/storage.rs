//! Where things are kept: the BPF file system, memory for the maps, and the folder of state.

use super::finding::Finding;

/// What all maps take, measured, and what a swap of generations takes besides.
const MAPS_MIB: u64 = 128;
/// Less room for state than this is soon none.
const ROOM_MIB: u64 = 64;
/// A generation's file and what is written beside it.
const LEAST_MIB: u64 = 4;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Storage {
    /// The pin directory.
    pub pin_dir: String,
    /// Whether that is on a BPF file system.
    pub on_bpffs: bool,
    /// Whether maps are there already.
    pub is_loaded: bool,
    /// Memory that processes can still have, in MiB, where the kernel says.
    pub available_mib: Option<u64>,
    /// Memory that the daemon's control group may use, in MiB; none where it is not limited.
    pub limit_mib: Option<u64>,
    /// The folder of state.
    pub state_dir: String,
    /// What its file system has; nothing where that cannot be asked.
    pub disk: Option<Disk>,
}

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Whether nobody can write there.
    pub is_read_only: bool,
    /// Free room in MiB.
    pub free_mib: u64,
    /// Files that there is still room for.
    pub free_files: u64,
}

impl Storage {
    /// Judges it.
    pub fn judge(&self) -> Vec<Finding> {
        vec![self.bpffs(), self.memory(), self.state()]
    }

    fn bpffs(&self) -> Finding {
        const CHECK: &str = "bpffs";
        let pin_dir = &self.pin_dir;
        match self.on_bpffs {
            true => Finding::ok(CHECK, format!("{pin_dir} is on a BPF file system")),
            false => Finding::fail(
                CHECK,
                format!("{pin_dir} is not on a BPF file system, so that nothing can be pinned"),
                "mount -t bpf bpf /sys/fs/bpf",
            ),
        }
    }

    fn memory(&self) -> Finding {
        const CHECK: &str = "memory";
        if let Some(limit) = self.limit_mib.filter(|limit| *limit < MAPS_MIB) {
            return Finding::warn(
                CHECK,
                format!("the control group may use {limit} MiB, and the maps are counted there"),
                format!("MemoryMax={}M in the unit, or no such line", 2 * MAPS_MIB),
            );
        }
        match self.available_mib {
            _ if self.is_loaded => Finding::ok(CHECK, "the maps are there, and do not grow"),
            None => Finding::skipped(CHECK, "the kernel does not say how much is available"),
            Some(there) if there < MAPS_MIB => Finding::fail(
                CHECK,
                format!("{there} MiB are available, and the maps take up to {MAPS_MIB} MiB"),
                "end something else, or add memory",
            ),
            Some(there) => Finding::ok(
                CHECK,
                format!(
                    "{there} MiB are available, of which the maps take up to {MAPS_MIB}; RLIMIT_MEMLOCK does not count them since Linux 5.11"
                ),
            ),
        }
    }

    fn state(&self) -> Finding {
        const CHECK: &str = "state";
        let folder = &self.state_dir;
        let room =
            format!("make room on the file system of {folder}: df -h {folder}; df -i {folder}");
        match self.disk {
            None => Finding::skipped(CHECK, format!("nobody knows what {folder} is on")),
            Some(Disk {
                is_read_only: true, ..
            }) => Finding::fail(
                CHECK,
                format!(
                    "{folder} is on a read-only file system: no change of the config can be put into force"
                ),
                format!("mount -o remount,rw \"$(findmnt -no TARGET -T {folder})\""),
            ),
            Some(Disk { free_mib, .. }) if free_mib < LEAST_MIB => Finding::fail(
                CHECK,
                format!(
                    "{folder} has {free_mib} MiB left: no change of the config can be put into force"
                ),
                room,
            ),
            Some(Disk { free_files: 0, .. }) => Finding::fail(
                CHECK,
                format!(
                    "{folder} has room for no further file: no change of the config can be put into force"
                ),
                room,
            ),
            Some(Disk { free_mib, .. }) if free_mib < ROOM_MIB => {
                Finding::warn(CHECK, format!("{folder} has {free_mib} MiB left"), room)
            }
            Some(Disk { free_mib, .. }) => {
                Finding::ok(CHECK, format!("{folder} has {free_mib} MiB left"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome::{self, Fail, Ok, Skipped, Warn};

    #[test]
    fn room_is_judged() {
        let disk = Disk {
            is_read_only: false,
            free_mib: 900,
            free_files: 9_000,
        };
        let whole = Storage {
            pin_dir: "/sys/fs/bpf/egress".to_owned(),
            on_bpffs: true,
            is_loaded: false,
            available_mib: Some(500),
            limit_mib: None,
            state_dir: "/var/lib/egress".to_owned(),
            disk: Some(disk),
        };
        let on = |disk: Option<Disk>| Storage {
            disk,
            ..whole.clone()
        };
        let with = |available_mib, limit_mib, is_loaded| Storage {
            available_mib,
            limit_mib,
            is_loaded,
            ..whole.clone()
        };
        let read_only = Some(Disk {
            is_read_only: true,
            ..disk
        });
        let full = Some(Disk {
            free_mib: 3,
            ..disk
        });
        let nearly = Some(Disk {
            free_mib: 40,
            ..disk
        });
        let many = Some(Disk {
            free_files: 0,
            ..disk
        });
        let unmounted = Storage {
            on_bpffs: false,
            ..whole.clone()
        };
        let table: [(&str, Storage, [Outcome; 3]); 11] = [
            ("all is well", whole.clone(), [Ok; 3]),
            ("no bpffs", unmounted, [Fail, Ok, Ok]),
            ("read-only", on(read_only), [Ok, Ok, Fail]),
            ("full", on(full), [Ok, Ok, Fail]),
            ("nearly full", on(nearly), [Ok, Ok, Warn]),
            ("too many files", on(many), [Ok, Ok, Fail]),
            ("an unknown disk", on(None), [Ok, Ok, Skipped]),
            ("little memory", with(Some(90), None, false), [Ok, Fail, Ok]),
            ("little, but loaded", with(Some(90), None, true), [Ok; 3]),
            ("unknown memory", with(None, None, false), [Ok, Skipped, Ok]),
            (
                "a small group",
                with(Some(900), Some(64), true),
                [Ok, Warn, Ok],
            ),
        ];
        for (what, storage, expected) in table {
            let found = storage.judge();
            let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
            assert_eq!(outcomes, expected, "{what}: {found:?}");
        }
    }
}
