//! Whole per-CPU arrays, each read in one call.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Pod,
    maps::{MapData, MapError},
    util::nr_cpus,
};
use aya_obj::generated::bpf_cmd;

use super::syscall::{Batch, bpf};

/// A per-CPU array's values: entry by entry, and of each entry those of every CPU.
pub(super) struct Whole<V> {
    /// All values.
    pub(super) values: Vec<V>,
    /// How many CPUs there are.
    pub(super) cpus: usize,
    /// How many values of this type an entry has for a CPU.
    pub(super) each: usize,
}

impl<V: Pod + Default> Whole<V> {
    /// Reads one.
    ///
    /// # Errors
    /// Its entries do not consist of such values, or the kernel refuses to read.
    pub(super) fn read(map: &MapData) -> Result<Self, MapError> {
        let info = map.info()?;
        let (entries, bytes) = (info.max_entries(), info.value_size() as usize);
        let cpus = nr_cpus().map_err(|(_, fault)| fault)?.get() as usize;
        let each = bytes / size_of::<V>();
        // The kernel rounds the values of CPUs up to eight bytes.
        if !bytes.is_multiple_of(size_of::<V>()) || !bytes.is_multiple_of(size_of::<u64>()) {
            let size = bytes;
            let expected = size_of::<V>();
            return Err(MapError::InvalidValueSize { size, expected });
        }
        let mut values = vec![V::default(); entries as usize * cpus * each];
        let count = fill(map, entries, &mut values)?;
        values.truncate(count as usize * cpus * each);
        Ok(Self { values, cpus, each })
    }
}

/// Reads all entries; tells how many it were.
fn fill<V>(map: &MapData, entries: u32, values: &mut [V]) -> io::Result<u32> {
    let mut next = 0_u32;
    let mut keys = vec![0_u32; entries as usize];
    let mut batch = Batch {
        next: (&raw mut next) as u64,
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: entries,
        map: map.fd().as_fd().as_raw_fd() as u32,
        ..Batch::default()
    };
    bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH as i32, &mut batch)?;
    Ok(batch.count)
}
