//! What each CPU counted of the destinations that it met lately.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    maps::{Map, MapData, MapError},
    util::nr_cpus,
};
use aya_obj::generated::{bpf_cmd, bpf_map_type};
use egress_common::{
    traffic::{CHUNK, CHUNKS, Recent, TrafficKey},
    verdict::Counter,
};

use super::syscall::{Batch, bpf};

/// The map of places, which each CPU has for itself.
pub struct RecentTraffic(MapData);

impl TryFrom<Map> for RecentTraffic {
    type Error = MapError;

    fn try_from(map: Map) -> Result<Self, MapError> {
        let Map::PerCpuArray(data) = map else {
            return Err(MapError::InvalidMapType {
                map_type: bpf_map_type::BPF_MAP_TYPE_UNSPEC as u32,
            });
        };
        Ok(Self(data))
    }
}

impl RecentTraffic {
    /// What each CPU counted, all in one call.
    ///
    /// # Errors
    /// The kernel refuses to read.
    pub fn counted(&self) -> Result<Vec<(usize, TrafficKey, Counter)>, MapError> {
        let cpus = nr_cpus().map_err(|(_, fault)| fault)?.get() as usize;
        let places = self.places(cpus)?;
        let numbered = places.iter().enumerate();
        let counted = numbered.filter_map(|(i, place)| {
            let (key, counter) = place.counted()?;
            Some((i / CHUNK % cpus, key, counter))
        });
        Ok(counted.collect())
    }

    /// All places, chunk by chunk, and of each chunk those of every CPU.
    fn places(&self, cpus: usize) -> io::Result<Vec<Recent>> {
        let mut next = 0_u32;
        let mut keys = [0_u32; CHUNKS];
        let mut places = vec![Recent::default(); CHUNKS * cpus * CHUNK];
        let mut batch = Batch {
            next: (&raw mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: places.as_mut_ptr() as u64,
            count: CHUNKS as u32,
            map: self.0.fd().as_fd().as_raw_fd() as u32,
            ..Batch::default()
        };
        bpf(bpf_cmd::BPF_MAP_LOOKUP_BATCH as i32, &mut batch)?;
        places.truncate(batch.count as usize * cpus * CHUNK);
        Ok(places)
    }
}
