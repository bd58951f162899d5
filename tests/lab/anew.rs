//! Maps as they are behind a load: what packets and answers left in them goes, for the next test.

use std::collections::BTreeSet;
use std::os::fd::{AsFd as _, AsRawFd as _};

use anyhow::Result;
use aya::Pod;
use aya::maps::{HashMap, Map, MapData, PerCpuArray, PerCpuHashMap, PerCpuValues};
use aya::util::nr_cpus;
use aya_obj::generated::bpf_cmd;
use egress_common::dns::Outcome;
use egress_common::event::Watcher;
use egress_common::traffic::{CHUNK, Chunk, Recent, place};
use egress_common::trial::Trial;
use egress_common::verdict::{Action, Reason, counter_index, reply_index};
use egress_common::{event, lesson};
use egress_ctl::dataplane::counters;
use egress_ctl::dataplane::maps::Pinned;
use egress_ctl::dataplane::stamp;
use egress_ctl::dataplane::syscall::{Batch, bpf};
use egress_ctl::policy::ids::Ids;

/// Takes out whatever was noted, learned, counted or told, of whatever has an id. The generation in force stays.
pub(crate) fn begin(pinned: Pinned<'_>, ids: &Ids) -> Result<()> {
    clear(pinned.lan()?)?;
    clear(pinned.learned()?)?;
    clear(pinned.refused()?)?;
    clear(pinned.flows()?)?;
    clear(pinned.fragments()?)?;
    clear(pinned.refusals()?)?;
    clear(pinned.queries()?)?;
    clear(pinned.streams()?)?;
    clear(pinned.shares()?)?;
    clear(pinned.direct()?)?;
    clear(pinned.given()?)?;
    clear(pinned.missed()?)?;
    clear_counted(pinned.traffic()?)?;
    recent_traffic(pinned)?;
    of_groups(pinned, ids)?;
    of_sets(pinned, ids)?;
    zero(pinned.dns()?, Outcome::ALL.iter().map(|one| *one as u32))?;
    let fates = event::Fate::ALL.iter().map(|one| *one as u32);
    zero(pinned.event_fates()?, fates)?;
    let fates = lesson::Fate::ALL.iter().map(|one| *one as u32);
    zero(pinned.lesson_fates()?, fates)?;
    let mut lessons = pinned.lessons()?;
    while lessons.next().is_some() {}
    Ok(stamp::renew_all(pinned)?)
}

/// The same for whatever ids there may have been, and nothing is in force: maps as they were when they were made.
///
/// Verdicts and next hops that CPUs keep stay, under words that count no more.
pub(crate) fn bare(pinned: Pinned<'_>) -> Result<()> {
    pinned.generation()?.set(0, &0, 0)?;
    pinned.trial()?.set(0, &Trial::default(), 0)?;
    pinned.bypass()?.set(0, &0, 0)?;
    pinned.clock()?.set(0, &0, 0)?;
    pinned.watcher()?.set(0, &Watcher::default(), 0)?;
    clear(pinned.places()?)?;
    clear(pinned.machines()?)?;
    clear(pinned.forward_pairs()?)?;
    let epoch = pinned.forward_epoch()?.get(&0, 0)?;
    pinned.forward_epoch()?.set(0, &epoch.wrapping_add(1), 0)?;
    let mut events = pinned.events()?;
    while events.next().is_some() {}
    for name in ["VERDICTS", "SETS", "REPLIES", "SET_REPLIES", "FORWARDS"] {
        zero_all(&MapData::from_pin(pinned.0.join(name))?)?;
    }
    begin(pinned, &Ids::default())
}

/// Takes every entry out.
pub(crate) fn clear<K: Pod, V: Pod>(mut map: HashMap<MapData, K, V>) -> Result<()> {
    let keys: Vec<K> = map.keys().collect::<Result<_, _>>()?;
    for key in keys {
        map.remove(&key)?;
    }
    Ok(())
}

fn clear_counted<K: Pod, V: Pod>(mut map: PerCpuHashMap<MapData, K, V>) -> Result<()> {
    let keys: Vec<K> = map.keys().collect::<Result<_, _>>()?;
    for key in keys {
        map.remove(&key)?;
    }
    Ok(())
}

fn of_groups(pinned: Pinned<'_>, ids: &Ids) -> Result<()> {
    let places: Vec<_> = ids.groups().map(|(_, place)| place).chain([0]).collect();
    let named = || places.iter().map(|place| (*place, *place));
    let counted = counters::verdicts(pinned, named())?.into_iter();
    let index = |(place, one): (u8, counters::Counted)| {
        let (action, reason): (Action, Reason) = (one.action, one.reason);
        counter_index(place, action, reason)
    };
    zero(pinned.verdicts()?, counted.map(index))?;
    let counted = counters::replies(pinned, named())?.into_iter();
    let index = |(place, reason, _)| reply_index(place, reason);
    zero(pinned.replies()?, counted.map(index))
}

fn of_sets(pinned: Pinned<'_>, ids: &Ids) -> Result<()> {
    let named = ids.sets().map(|(_, id)| (u32::from(id), id));
    let counted: Vec<u32> = counters::sets(pinned, named)?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    zero(pinned.sets()?, counted.iter().copied())?;
    zero(pinned.set_replies()?, counted.into_iter())
}

fn recent_traffic(pinned: Pinned<'_>) -> Result<()> {
    let counted = pinned.recent_traffic()?.counted()?;
    let map = Map::PerCpuArray(MapData::from_pin(pinned.0.join("RECENT_TRAFFIC"))?);
    let chunks = counted
        .iter()
        .map(|(_, key, _)| place(&key.dst, key.cause).0);
    let chunks: BTreeSet<u32> = chunks.collect();
    let map = PerCpuArray::<_, Chunk>::try_from(map)?;
    set(map, chunks.into_iter(), [Recent::default(); CHUNK])
}

/// Makes all values of an array zero, those of all CPUs.
fn zero_all(map: &MapData) -> Result<()> {
    let info = map.info()?;
    let mut keys: Vec<u32> = (0..info.max_entries()).collect();
    let cpus = nr_cpus().map_err(|(what, source)| anyhow::anyhow!("{what}: {source}"))?;
    let bytes = info.value_size().next_multiple_of(8) as usize * cpus.get() as usize;
    let mut values = vec![0_u8; bytes * keys.len()];
    let mut batch = Batch {
        keys: keys.as_mut_ptr() as u64,
        values: values.as_mut_ptr() as u64,
        count: info.max_entries(),
        map: map.fd().as_fd().as_raw_fd() as u32,
        ..Batch::default()
    };
    bpf(bpf_cmd::BPF_MAP_UPDATE_BATCH as i32, &mut batch)?;
    Ok(())
}

fn zero<V: Pod + Default>(
    map: PerCpuArray<MapData, V>,
    indices: impl Iterator<Item = u32>,
) -> Result<()> {
    set(map, indices, V::default())
}

fn set<V: Pod>(
    mut map: PerCpuArray<MapData, V>,
    indices: impl Iterator<Item = u32>,
    value: V,
) -> Result<()> {
    let cpus = nr_cpus().map_err(|(what, source)| anyhow::anyhow!("{what}: {source}"))?;
    for index in indices {
        let values = vec![value; cpus.get() as usize];
        map.set(index, PerCpuValues::try_from(values)?, 0)?;
    }
    Ok(())
}
