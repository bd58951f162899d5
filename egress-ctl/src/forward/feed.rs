//! What the kernel program may do between which interfaces, into its maps.

use std::collections::BTreeMap;

use egress_common::forward::{Pair, PairKey};

use super::ForwardError;
use crate::dataplane::maps::Pinned;

/// Lets packets leave between these pairs, and no others.
///
/// # Errors
/// A map is not there, or the kernel refuses: `to` may have gone meanwhile.
pub fn feed(pinned: Pinned<'_>, pairs: &BTreeMap<PairKey, Pair>) -> Result<(), ForwardError> {
    let mut known = pinned.forward_pairs()?;
    let mut devices = pinned.forward_to()?;
    let old: Vec<PairKey> = known.keys().filter_map(Result::ok).collect();
    for key in old.iter().filter(|key| !pairs.contains_key(key)) {
        known.remove(key)?;
    }
    let leaves_by = |index: u32| pairs.keys().any(|key| key.to == index);
    let old: Vec<u32> = devices.keys().filter_map(Result::ok).collect();
    for index in old.iter().filter(|index| !leaves_by(**index)) {
        devices.remove(*index)?;
    }
    for (key, pair) in pairs {
        if !old.contains(&key.to) {
            devices.insert(key.to, key.to, None, 0)?;
        }
        known.insert(key, pair, 0)?;
    }
    Ok(())
}
