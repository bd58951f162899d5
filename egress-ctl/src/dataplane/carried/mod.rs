//! What the maps of before counted.
//!
//! An upgrade that changes the layout of maps makes new ones, which begin with zeros: programs that run already count
//! into the old ones until those of the new version are in their place, and nobody can add to a counter that a program
//! writes. So what the old maps counted stays beside, and whoever tells a counter adds both. While the old maps are set
//! aside they are read themselves; once no program uses them, their sums are written down in `carried` below the pin
//! directory, which comes into being as a whole, and says by being there that the old maps count no more.

mod form;
mod keyed;
mod table;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    Pod,
    maps::{HashMap, Map, MapData},
};
use egress_common::{
    learned::LearnedKey,
    missed::{Missed, MissedKey},
    traffic::TrafficKey,
    verdict::Counter,
};

pub(super) use self::table::Table;
use self::{
    keyed::{Destinations, Tries, Uses},
    table::Tables,
};
use super::{
    aside,
    counters::ReadError,
    grace,
    maps::{Pinned, there},
};

/// The folder of sums below the pin directory.
pub(super) const CARRIED: &str = "carried";
/// The same while it is made.
const NEXT: &str = "carrying";

/// Something that is counted by keys.
trait Kind {
    /// What it is counted by.
    type Key: Pod + Ord;
    /// What is counted.
    type Value: Pod;
    /// The pin of the sums.
    const PIN: &'static str;

    /// What the maps of a folder counted, whatever their layout.
    fn count(pinned: Pinned<'_>) -> Result<BTreeMap<Self::Key, Self::Value>, ReadError>;

    /// Adds what another map counted.
    fn add(sum: &mut Self::Value, more: Self::Value);

    /// Of more sums than can be kept, those that are.
    fn keep(sums: BTreeMap<Self::Key, Self::Value>) -> BTreeMap<Self::Key, Self::Value> {
        sums
    }
}

type Sums<K> = BTreeMap<<K as Kind>::Key, <K as Kind>::Value>;

/// Counters of a table, by their places.
pub(super) fn of_table(
    pinned: Pinned<'_>,
    table: Table,
) -> Result<BTreeMap<u32, Counter>, ReadError> {
    let sums = sums::<Tables>(pinned.0)?.into_iter();
    let of_table = sums.filter(|([number, _], _)| *number == table as u32);
    Ok(of_table.map(|([_, place], sum)| (place, sum)).collect())
}

/// Allowed packets by destination, endpoint set and group.
pub(super) fn traffic(pinned: Pinned<'_>) -> Result<BTreeMap<TrafficKey, Counter>, ReadError> {
    sums::<Destinations>(pinned.0)
}

/// Destinations that clients tried and no answer allowed.
pub(super) fn missed(pinned: Pinned<'_>) -> Result<BTreeMap<MissedKey, Missed>, ReadError> {
    sums::<Tries>(pinned.0)
}

/// How learned addresses were used: connections, and when each was first taught.
pub(super) fn uses(pinned: Pinned<'_>) -> Result<BTreeMap<LearnedKey, [u64; 2]>, ReadError> {
    sums::<Uses>(pinned.0)
}

/// Adds what was counted for the same key.
pub(super) fn merge_missed(sum: &mut Missed, more: Missed) {
    Tries::add(sum, more);
}

/// Writes down what the maps that are set aside counted, so that they can go. No program counts there any more.
///
/// # Errors
/// The kernel refuses; the old maps count on.
pub(super) fn write_down(pin_dir: &Path) -> Result<(), ReadError> {
    let (next, made) = (pin_dir.join(NEXT), pin_dir.join(CARRIED));
    if made.exists() {
        return Ok(());
    }
    grace::wait()?;
    remove(&next)?;
    fs::create_dir(&next)?;
    write::<Tables>(pin_dir, &next)?;
    write::<Destinations>(pin_dir, &next)?;
    write::<Tries>(pin_dir, &next)?;
    write::<Uses>(pin_dir, &next)?;
    Ok(fs::rename(&next, &made)?)
}

/// Removes all sums.
pub(super) fn forget(pin_dir: &Path) -> io::Result<()> {
    remove(&pin_dir.join(NEXT))?;
    remove(&pin_dir.join(CARRIED))
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

/// What all maps before those of a folder counted.
fn sums<K: Kind>(pin_dir: &Path) -> Result<Sums<K>, ReadError> {
    let carried = there(pin_dir, CARRIED);
    if carried.is_dir() {
        return read::<K>(&carried.join(K::PIN));
    }
    let before = there(pin_dir, aside::BEFORE);
    if !before.is_dir() {
        return Ok(BTreeMap::new());
    }
    let mut sums = sums::<K>(&before)?;
    for (key, more) in K::count(Pinned(&before))? {
        match sums.get_mut(&key) {
            Some(sum) => K::add(sum, more),
            None => drop(sums.insert(key, more)),
        }
    }
    Ok(sums)
}

fn read<K: Kind>(path: &PathBuf) -> Result<Sums<K>, ReadError> {
    let map = Map::HashMap(MapData::from_pin(path)?);
    let map = HashMap::<MapData, K::Key, K::Value>::try_from(map)?;
    Ok(map.iter().collect::<Result<_, _>>()?)
}

fn write<K: Kind>(pin_dir: &Path, folder: &Path) -> Result<(), ReadError> {
    let sums = K::keep(sums::<K>(pin_dir)?);
    let entries = sums.len().max(1) as u32;
    let mut map = HashMap::<MapData, K::Key, K::Value>::create(entries, 0)?;
    for (key, sum) in &sums {
        map.insert(key, sum, 0)?;
    }
    Ok(map.pin(folder.join(K::PIN))?)
}
