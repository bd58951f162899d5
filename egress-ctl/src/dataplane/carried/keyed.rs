//! What is counted by destination, by try and by learned address.

use std::{cmp::Reverse, collections::BTreeMap};

use aya::{
    Pod,
    maps::{HashMap, MapData},
};
use egress_common::{
    learned::LearnedKey,
    limits,
    missed::{Missed, MissedKey},
    traffic::TrafficKey,
    verdict::Counter,
};

use super::Kind;
use crate::dataplane::{
    counters::{ReadError, own_traffic},
    maps::{Pinned, PinnedError},
};

/// Allowed packets by destination, endpoint set and group.
pub(super) struct Destinations;

impl Kind for Destinations {
    type Key = TrafficKey;
    type Value = Counter;
    const PIN: &'static str = "TRAFFIC";

    fn count(pinned: Pinned<'_>) -> Result<BTreeMap<TrafficKey, Counter>, ReadError> {
        match own_traffic(pinned) {
            // That layout counted none so.
            Err(ReadError::Pinned(fault)) if is_other(&fault) => Ok(BTreeMap::new()),
            counted => counted,
        }
    }

    fn add(sum: &mut Counter, more: Counter) {
        sum.packets += more.packets;
        sum.bytes += more.bytes;
    }

    fn keep(sums: BTreeMap<TrafficKey, Counter>) -> BTreeMap<TrafficKey, Counter> {
        most(sums, limits::TRAFFIC, |counter| counter.packets)
    }
}

/// Destinations that clients tried and no answer allowed.
pub(super) struct Tries;

impl Kind for Tries {
    type Key = MissedKey;
    type Value = Missed;
    const PIN: &'static str = "MISSED";

    fn count(pinned: Pinned<'_>) -> Result<BTreeMap<MissedKey, Missed>, ReadError> {
        all(pinned.missed())
    }

    fn add(sum: &mut Missed, more: Missed) {
        if more.last_ms >= sum.last_ms {
            sum.reason = more.reason;
        }
        sum.count += more.count;
        sum.first_ms = sum.first_ms.min(more.first_ms);
        sum.last_ms = sum.last_ms.max(more.last_ms);
        sum.overrun_ms = sum.overrun_ms.max(more.overrun_ms);
    }

    fn keep(sums: BTreeMap<MissedKey, Missed>) -> BTreeMap<MissedKey, Missed> {
        most(sums, limits::MISSED, |missed| missed.last_ms)
    }
}

/// Connections of learned addresses, and when each was first taught.
pub(super) struct Uses;

impl Kind for Uses {
    type Key = LearnedKey;
    type Value = [u64; 2];
    const PIN: &'static str = "USES";

    fn count(pinned: Pinned<'_>) -> Result<BTreeMap<LearnedKey, [u64; 2]>, ReadError> {
        let learned = all(pinned.learned())?.into_iter();
        let uses = learned.map(|(key, learned)| (key, [learned.hits, learned.first_ms]));
        Ok(uses.collect())
    }

    fn add([hits, first_ms]: &mut [u64; 2], [more, other_ms]: [u64; 2]) {
        *hits += more;
        *first_ms = (*first_ms).min(other_ms);
    }

    fn keep(sums: BTreeMap<LearnedKey, [u64; 2]>) -> BTreeMap<LearnedKey, [u64; 2]> {
        most(sums, limits::LEARNED, |[_, first_ms]| *first_ms)
    }
}

/// Whether a map is not there, or has entries of another form.
fn is_other(fault: &PinnedError) -> bool {
    matches!(
        fault,
        PinnedError::NotLoaded(_) | PinnedError::Foreign { .. }
    )
}

/// All entries of a map, where that layout had one of this form.
fn all<K: Pod + Ord, V: Pod>(
    map: Result<HashMap<MapData, K, V>, PinnedError>,
) -> Result<BTreeMap<K, V>, ReadError> {
    match map {
        Ok(map) => Ok(map.iter().collect::<Result<_, _>>()?),
        Err(fault) if is_other(&fault) => Ok(BTreeMap::new()),
        Err(fault) => Err(fault.into()),
    }
}

/// As many as the kernel's own table holds, those with the most.
fn most<K: Ord, V>(sums: BTreeMap<K, V>, limit: u32, of: impl Fn(&V) -> u64) -> BTreeMap<K, V> {
    if sums.len() <= limit as usize {
        return sums;
    }
    let mut ordered: Vec<_> = sums.into_iter().collect();
    ordered.sort_by_key(|(_, value)| Reverse(of(value)));
    ordered.truncate(limit as usize);
    ordered.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::Reason;

    use super::*;

    #[test]
    fn tries_add_up_and_the_last_one_says_why() {
        let mut sum = Missed {
            count: 7,
            ..Missed::first(Reason::NeverResolved, 0, 500)
        };
        let later = Missed {
            count: 3,
            last_ms: 900,
            ..Missed::first(Reason::Expired, 40, 800)
        };
        Tries::add(&mut sum, later);
        let expected = Missed {
            count: 10,
            last_ms: 900,
            overrun_ms: 40,
            ..Missed::first(Reason::Expired, 0, 500)
        };
        assert_eq!(sum, expected);
    }

    #[test]
    fn of_too_many_the_largest_stay() {
        let sums = (0_u32..10).map(|key| (key, u64::from(key) * 100)).collect();
        let kept = most(sums, 3, |value| *value);
        assert_eq!(kept, BTreeMap::from([(7, 700), (8, 800), (9, 900)]));
    }
}
