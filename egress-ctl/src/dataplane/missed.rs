//! Destinations that clients tried and no answer allowed, read from the kernel.

use aya::maps::MapError;
use egress_common::missed::{Missed, MissedKey};

use super::{counters::ReadError, maps::Pinned};

/// All of them.
///
/// # Errors
/// The map is not there, or the kernel refuses.
pub fn all(pinned: Pinned<'_>) -> Result<Vec<(MissedKey, Missed)>, ReadError> {
    let map = pinned.missed()?;
    let mut all = Vec::new();
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        match map.get(&key, 0) {
            Ok(missed) => all.push((key, missed)),
            // It left for another destination meanwhile.
            Err(MapError::KeyNotFound) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    Ok(all)
}
