//! How much memory the kernel holds for pinned maps, as it accounts for it.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use anyhow::{Context, Result};
use aya::maps::{ArrayOfMaps, Map, MapData, MapError, MapType};

/// Bytes of each map that is pinned in a folder, the maps in it included, by its name.
pub fn of_maps(pin_dir: &Path) -> Result<Vec<(String, u64)>> {
    let mut maps = Vec::new();
    for entry in fs::read_dir(pin_dir)? {
        let path = entry?.path();
        // Programs are pinned as well.
        let Ok(map) = MapData::from_pin(&path) else {
            continue;
        };
        let name = path.file_name().unwrap_or_default();
        maps.push((name.to_string_lossy().into_owned(), bytes_of(map)?));
    }
    maps.sort();
    Ok(maps)
}

fn bytes_of(map: MapData) -> Result<u64> {
    let own = accounted(&map)?;
    let info = map.info()?;
    if info.map_type()? != MapType::ArrayOfMaps {
        return Ok(own);
    }
    let entries = info.max_entries();
    let outer = ArrayOfMaps::<MapData, MapData>::try_from(Map::ArrayOfMaps(map))?;
    // One map may stand in several places.
    let mut known = BTreeSet::new();
    (0..entries).try_fold(own, |sum, i| match outer.get(&i, 0) {
        Ok(inner) if known.insert(inner.info()?.id()) => Ok(sum + accounted(&inner)?),
        // Nothing was filled in yet.
        Ok(_) | Err(MapError::KeyNotFound) => Ok(sum),
        Err(error) => Err(error.into()),
    })
}

/// What the kernel says (`bpf_map_show_fdinfo`, kernel/bpf/syscall.c).
fn accounted(map: &MapData) -> Result<u64> {
    let fd = map.fd().as_fd().as_raw_fd();
    let path = format!("/proc/self/fdinfo/{fd}");
    let info = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = info.lines().find_map(|line| line.strip_prefix("memlock:"));
    let bytes = line.with_context(|| format!("{path} does not tell the memory of a map"))?;
    Ok(bytes.trim().parse()?)
}
