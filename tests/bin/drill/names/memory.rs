//! What the kernel holds for the maps: when nothing was learned yet, and in the end.

use std::path::Path;

use anyhow::{Context, Result};
use egress_common::learned::{Learned, LearnedKey};
use egress_common::limits::LEARNED;
use lab::memory;
use serde::Serialize;

/// Bytes of an entry beside its key and value, and of the bucket that it is found by (`struct htab_elem` and
/// `struct bucket`, kernel/bpf/hashtab.c).
const ENTRY: u64 = 48;
const BUCKET: u64 = 16;
/// Bytes of a map beside those: locks, and lists of each CPU.
const REST: u64 = 64 << 10;
/// What the map of learned addresses may take.
const BOUND: u64 = LEARNED as u64
    * (size_of::<LearnedKey>() as u64 + size_of::<Learned>() as u64 + ENTRY + BUCKET)
    + REST;

/// In KiB.
#[derive(Serialize)]
pub(super) struct Memory {
    /// Of each map that takes at least a mebibyte.
    memory_kib: Vec<(String, u64)>,
    memory_kib_before: u64,
    memory_kib_of_all: u64,
    learned_kib: u64,
    learned_kib_bound: u64,
}

/// Bytes of all maps that are pinned in a folder.
pub(super) fn of_all(pin_dir: &Path) -> Result<u64> {
    let maps = memory::of_maps(pin_dir)?;
    Ok(maps.iter().map(|(_, bytes)| bytes).sum())
}

impl Memory {
    /// Of what is pinned in a folder, whose maps took so many bytes before.
    pub(super) fn since(before: u64, pin_dir: &Path) -> Result<Self> {
        let maps = memory::of_maps(pin_dir)?;
        let learned = maps.iter().find(|(map, _)| map == "LEARNED");
        let (_, learned) = learned.context("no map LEARNED is pinned")?;
        Ok(Self {
            memory_kib_before: before >> 10,
            memory_kib_of_all: of_all(pin_dir)? >> 10,
            learned_kib: learned >> 10,
            learned_kib_bound: BOUND >> 10,
            memory_kib: maps
                .into_iter()
                .map(|(map, bytes)| (map, bytes >> 10))
                .filter(|(_, kib)| *kib >= 1024)
                .collect(),
        })
    }

    /// Whether nothing grew, and learned addresses take no more than they may.
    pub(super) fn holds(&self) -> bool {
        self.memory_kib_of_all <= self.memory_kib_before
            && self.learned_kib <= self.learned_kib_bound
    }

    pub(super) fn lines(&self) -> [(&'static str, String); 2] {
        let maps = self.memory_kib.iter();
        let maps: Vec<_> = maps
            .map(|(map, kib)| format!("{map} {}", kib >> 10))
            .collect();
        let (before, all) = (self.memory_kib_before, self.memory_kib_of_all);
        let learned = format!(
            "{} KiB of learned addresses, bound {}; all maps {before} KiB before, {all} behind",
            self.learned_kib, self.learned_kib_bound
        );
        let maps = format!("{}: {}", all >> 10, maps.join(", "));
        [("memory", learned), ("MiB of maps", maps)]
    }
}
