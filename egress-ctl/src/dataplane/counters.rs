//! Counters, summed over all CPUs.

use std::collections::BTreeMap;

use aya::maps::MapError;
use egress_common::{
    dns::Outcome,
    event::Fate,
    forward, lesson,
    traffic::TrafficKey,
    verdict::{Action, Counter, Reason, counter_index, reply_index},
};

use super::maps::{Pinned, PinnedError};

/// Why counters cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused to read.
    #[error("cannot read the kernel's counters")]
    Read(#[from] MapError),
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
    let map = pinned.verdicts()?;
    let mut counted = Vec::new();
    for (name, place) in groups {
        for action in Action::ALL {
            for reason in Reason::ALL {
                let counter = total(&map.get(&counter_index(place, *action, *reason), 0)?);
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
    let map = pinned.replies()?;
    let mut counted = Vec::new();
    for (name, place) in groups {
        for reason in Reason::ALL {
            let counter = total(&map.get(&reply_index(place, *reason), 0)?);
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
    let (sent, replies) = (pinned.sets()?, pinned.set_replies()?);
    let mut counted = Vec::new();
    for (name, id) in named {
        let of_set = OfSet {
            sent: total(&sent.get(&u32::from(id), 0)?),
            replies: total(&replies.get(&u32::from(id), 0)?),
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
    let map = pinned.dns()?;
    let mut counted = Vec::new();
    for outcome in Outcome::ALL {
        let messages = map.get(&(*outcome as u32), 0)?.iter().sum();
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
    let map = pinned.event_fates()?;
    let mut counted = Vec::new();
    for fate in Fate::ALL {
        let events = map.get(&(*fate as u32), 0)?.iter().sum();
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
    let map = pinned.lesson_fates()?;
    let mut counted = Vec::new();
    for fate in lesson::Fate::ALL {
        let records = map.get(&(*fate as u32), 0)?.iter().sum();
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
    let map = pinned.forwards()?;
    let mut counted = Vec::new();
    for fate in forward::Fate::ALL {
        let packets = map.get(&(*fate as u32), 0)?.iter().sum();
        if packets > 0 {
            counted.push((*fate, packets));
        }
    }
    Ok(counted)
}

fn total(cpus: &[Counter]) -> Counter {
    cpus.iter().fold(Counter::default(), |sum, cpu| Counter {
        packets: sum.packets + cpu.packets,
        bytes: sum.bytes + cpu.bytes,
    })
}
