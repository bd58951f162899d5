//! Destinations that clients tried and no answer allowed, read from the kernel.

use std::collections::BTreeMap;

use aya::maps::MapError;
use egress_common::missed::{Missed, MissedKey};

use super::{carried, counters::ReadError, maps::Pinned, steady::steady};

/// All of them.
///
/// # Errors
/// The map is not there, or the kernel refuses.
pub fn all(pinned: Pinned<'_>) -> Result<Vec<(MissedKey, Missed)>, ReadError> {
    let all = steady(pinned, || {
        let mut all = own(pinned)?;
        for (key, before) in carried::missed(pinned)? {
            let sum = all.entry(key).or_insert(Missed { count: 0, ..before });
            carried::merge_missed(sum, before);
        }
        Ok(all)
    })?;
    Ok(all.into_iter().collect())
}

/// Those of these maps by themselves.
fn own(pinned: Pinned<'_>) -> Result<BTreeMap<MissedKey, Missed>, ReadError> {
    let map = pinned.missed()?;
    let mut all = BTreeMap::new();
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        match map.get(&key, 0) {
            Ok(missed) => drop(all.insert(key, missed)),
            // It left for another destination meanwhile.
            Err(MapError::KeyNotFound) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(all)
}
