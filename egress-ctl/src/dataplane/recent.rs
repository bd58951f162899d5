//! What each CPU counted of the destinations that it met lately.

use aya::maps::{Map, MapData, MapError};
use aya_obj::generated::bpf_map_type;
use egress_common::{
    traffic::{Recent, TrafficKey},
    verdict::Counter,
};

use super::whole::Whole;

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
        let Whole { values, cpus, each } = Whole::<Recent>::read(&self.0)?;
        let numbered = values.iter().enumerate();
        let counted = numbered.filter_map(|(i, place)| {
            let (key, counter) = place.counted()?;
            Some((i / each % cpus, key, counter))
        });
        Ok(counted.collect())
    }
}
