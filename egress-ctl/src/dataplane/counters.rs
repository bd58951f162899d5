//! Counters, summed over all CPUs, and over the maps of before an upgrade.

use std::{collections::BTreeMap, io};

use aya::{
    maps::{MapData, MapError, PerCpuArray},
    pin::PinError,
};
use egress_common::{
    dns::Outcome,
    event::Fate,
    forward, lesson,
    traffic::TrafficKey,
    verdict::{Action, Counter, Reason, counter_index, reply_index},
};

use super::{
    carried::{self, Table},
    layout::LayoutError,
    maps::{Pinned, PinnedError},
    steady::steady,
};

/// Why counters cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused to read.
    #[error("cannot read the kernel's counters")]
    Read(#[from] MapError),
    /// Maps of before have a layout that is not known.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// What the maps of before counted cannot be kept.
    #[error("cannot pin what was counted before")]
    Pin(#[from] PinError),
    /// Its pins cannot be moved or removed.
    #[error("cannot put what was counted before in its place")]
    File(#[from] io::Error),
}

/// What packets of one group, or of none, came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// What was done with them.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub counter: Counter,
}

/// The counters of groups that are not zero, by action and reason, with what the groups are named by;
/// place 0 belongs to packets of no group.
///
/// # Errors
/// They cannot be read.
pub fn verdicts<N: Clone>(
    pinned: Pinned<'_>,
    groups: impl IntoIterator<Item = (N, u8)>,
) -> Result<Vec<(N, Counted)>, ReadError> {
    let all = table(pinned, Table::Verdicts, Pinned::verdicts)?;
    let mut counted = Vec::new();
    for (name, place) in groups {
        for action in Action::ALL {
            for reason in Reason::ALL {
                let counter = all.of(counter_index(place, *action, *reason))?;
                if counter.packets > 0 {
                    let (action, reason) = (*action, *reason);
                    let one = Counted {
                        action,
                        reason,
                        counter,
                    };
                    counted.push((name.clone(), one));
                }
            }
        }
    }
    Ok(counted)
}

/// Replies to groups, that are not zero, by the reason that holds for what they answer, with what the groups
/// are named by; place 0 belongs to packets to no group.
///
/// # Errors
/// They cannot be read.
pub fn replies<N: Clone>(
    pinned: Pinned<'_>,
    groups: impl IntoIterator<Item = (N, u8)>,
) -> Result<Vec<(N, Reason, Counter)>, ReadError> {
    let all = table(pinned, Table::Replies, Pinned::replies)?;
    let mut counted = Vec::new();
    for (name, place) in groups {
        for reason in Reason::ALL {
            let counter = all.of(reply_index(place, *reason))?;
            if counter.packets > 0 {
                counted.push((name.clone(), *reason, counter));
            }
        }
    }
    Ok(counted)
}

/// What was counted of one endpoint set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfSet {
    /// What clients sent.
    pub sent: Counter,
    /// What came back.
    pub replies: Counter,
}

/// The counters of endpoint sets that are not zero, with what they are named by.
///
/// # Errors
/// They cannot be read.
pub fn sets<N>(
    pinned: Pinned<'_>,
    named: impl IntoIterator<Item = (N, u16)>,
) -> Result<Vec<(N, OfSet)>, ReadError> {
    let sent = table(pinned, Table::Sets, Pinned::sets)?;
    let replies = table(pinned, Table::SetReplies, Pinned::set_replies)?;
    let mut counted = Vec::new();
    for (name, id) in named {
        let of_set = OfSet {
            sent: sent.of(u32::from(id))?,
            replies: replies.of(u32::from(id))?,
        };
        if of_set.sent.packets + of_set.replies.packets > 0 {
            counted.push((name, of_set));
        }
    }
    Ok(counted)
}

/// Allowed packets by destination, endpoint set and group.
///
/// # Errors
/// They cannot be read.
pub fn traffic(pinned: Pinned<'_>) -> Result<BTreeMap<TrafficKey, Counter>, ReadError> {
    steady(pinned, || {
        let mut counted = own_traffic(pinned)?;
        for (key, before) in carried::traffic(pinned)? {
            let counter = counted.entry(key).or_default();
            *counter = sum(*counter, before);
        }
        Ok(counted)
    })
}

/// What these maps counted of them by themselves.
pub(super) fn own_traffic(pinned: Pinned<'_>) -> Result<BTreeMap<TrafficKey, Counter>, ReadError> {
    // First what may go over into the other map meanwhile: there it is not less.
    let recent = pinned.recent_traffic()?.counted()?;
    let map = pinned.traffic()?;
    let mut counted: BTreeMap<_, Vec<Counter>> = BTreeMap::new();
    for key in map.keys().collect::<Result<Vec<_>, _>>()? {
        match map.get(&key, 0) {
            Ok(cpus) => drop(counted.insert(key, cpus.to_vec())),
            // It left for another destination meanwhile.
            Err(MapError::KeyNotFound) => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    for (cpu, key, counter) in recent {
        let cpus = counted.entry(key).or_default();
        if cpus.len() <= cpu {
            cpus.resize(cpu + 1, Counter::default());
        }
        if let Some(kept) = cpus.get_mut(cpu)
            && kept.packets < counter.packets
        {
            *kept = counter;
        }
    }
    let sums = counted.into_iter().map(|(key, cpus)| (key, total(&cpus)));
    Ok(sums.collect())
}

/// All counters of DNS messages by outcome that are not zero.
///
/// # Errors
/// They cannot be read.
pub fn dns(pinned: Pinned<'_>) -> Result<Vec<(Outcome, u64)>, ReadError> {
    let all = table(pinned, Table::Dns, Pinned::dns)?;
    let mut counted = Vec::new();
    for outcome in Outcome::ALL {
        let messages = all.of(*outcome as u32)?.packets;
        if messages > 0 {
            counted.push((*outcome, messages));
        }
    }
    Ok(counted)
}

/// Events by fate, that are not zero.
///
/// # Errors
/// They cannot be read.
pub fn events(pinned: Pinned<'_>) -> Result<Vec<(Fate, u64)>, ReadError> {
    let all = table(pinned, Table::EventFates, Pinned::event_fates)?;
    let mut counted = Vec::new();
    for fate in Fate::ALL {
        let events = all.of(*fate as u32)?.packets;
        if events > 0 {
            counted.push((*fate, events));
        }
    }
    Ok(counted)
}

/// Records of lessons by fate, that are not zero.
///
/// # Errors
/// They cannot be read.
pub fn lessons(pinned: Pinned<'_>) -> Result<Vec<(lesson::Fate, u64)>, ReadError> {
    let all = table(pinned, Table::LessonFates, Pinned::lesson_fates)?;
    let mut counted = Vec::new();
    for fate in lesson::Fate::ALL {
        let records = all.of(*fate as u32)?.packets;
        if records > 0 {
            counted.push((*fate, records));
        }
    }
    Ok(counted)
}

/// Packets by what became of them where there is a fast path, that are not zero.
///
/// # Errors
/// They cannot be read.
pub fn forwards(pinned: Pinned<'_>) -> Result<Vec<(forward::Fate, u64)>, ReadError> {
    let all = table(pinned, Table::Forwards, Pinned::forwards)?;
    let mut counted = Vec::new();
    for fate in forward::Fate::ALL {
        let packets = all.of(*fate as u32)?.packets;
        if packets > 0 {
            counted.push((*fate, packets));
        }
    }
    Ok(counted)
}

/// A table of counters, and what the same ones counted in maps of before.
struct Counts<V: Each> {
    map: PerCpuArray<MapData, V>,
    before: BTreeMap<u32, Counter>,
}

impl<V: Each> Counts<V> {
    /// What was counted at a place.
    fn of(&self, place: u32) -> Result<Counter, ReadError> {
        let cpus = self.map.get(&place, 0)?;
        let now = cpus.iter().copied().map(V::counter);
        let before = self.before.get(&place).copied().unwrap_or_default();
        Ok(now.fold(before, sum))
    }
}

/// What a CPU counts at a place.
trait Each: aya::Pod {
    fn counter(self) -> Counter;
}

impl Each for Counter {
    fn counter(self) -> Counter {
        self
    }
}

/// Messages and the like, which have no bytes.
impl Each for u64 {
    fn counter(self) -> Counter {
        Counter {
            packets: self,
            bytes: 0,
        }
    }
}

fn table<'a, V: Each>(
    pinned: Pinned<'a>,
    table: Table,
    open: impl Fn(Pinned<'a>) -> Result<PerCpuArray<MapData, V>, PinnedError>,
) -> Result<Counts<V>, ReadError> {
    steady(pinned, || {
        Ok(Counts {
            map: open(pinned)?,
            before: carried::of_table(pinned, table)?,
        })
    })
}

fn total(cpus: &[Counter]) -> Counter {
    cpus.iter().copied().fold(Counter::default(), sum)
}

fn sum(one: Counter, other: Counter) -> Counter {
    Counter {
        packets: one.packets + other.packets,
        bytes: one.bytes + other.bytes,
    }
}
