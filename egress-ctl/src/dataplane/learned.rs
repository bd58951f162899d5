//! Learned addresses, for those who list them, take them away and bring them back.
//!
//! The one place of user space that knows the map's key.

use std::{cell::Cell, collections::BTreeMap, net::IpAddr, path::PathBuf};

use aya::maps::{HashMap, MapData, MapError};
use egress_common::{
    flow::{Addr, FlowKey},
    learned::{EVERYBODY, Learned, LearnedKey, SharedSlots, Slot, Slots, teach},
    limits::TEACHERS,
};

use super::{
    carried,
    counters::ReadError,
    maps::{Pinned, PinnedError},
    stamp::{self, StampError},
    steady::steady,
};

/// Why learned addresses cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LearnedError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The stamp of verdicts could not be renewed.
    #[error(transparent)]
    Stamp(#[from] StampError),
    /// What the maps of before hold cannot be read.
    #[error(transparent)]
    Before(#[from] ReadError),
    /// The kernel refused.
    #[error("cannot {what} learned addresses in the kernel")]
    Map {
        /// What was tried.
        what: &'static str,
        /// Why.
        source: MapError,
    },
}

fn cannot(what: &'static str) -> impl Fn(MapError) -> LearnedError {
    move |source| LearnedError::Map { what, source }
}

/// An address, and what was learned of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The address, and whom it was taught for.
    pub key: LearnedKey,
    /// What was learned of it.
    pub learned: Learned,
}

impl Entry {
    /// The address.
    pub fn address(&self) -> IpAddr {
        self.key.addr.into()
    }

    /// The client that it was taught for; none where that is the whole policy.
    pub fn client(&self) -> Option<IpAddr> {
        (self.key.client != EVERYBODY).then(|| self.key.client.into())
    }
}

/// The table of learned addresses.
pub struct Table {
    map: HashMap<MapData, LearnedKey, Learned>,
    pin_dir: PathBuf,
}

impl Table {
    /// The one that is pinned.
    ///
    /// # Errors
    /// It is not there.
    pub fn open(pinned: Pinned<'_>) -> Result<Self, LearnedError> {
        Ok(Self {
            map: pinned.learned()?,
            pin_dir: pinned.0.to_owned(),
        })
    }

    /// All addresses, in order, with the connections that each admitted before an upgrade as well.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn entries(&self) -> Result<Vec<Entry>, LearnedError> {
        let pinned = Pinned(&self.pin_dir);
        let before = steady(pinned, || carried::uses(pinned))?;
        let mut entries = Vec::new();
        for key in self.keys()? {
            entries.extend(self.of(key)?);
        }
        for entry in &mut entries {
            if let Some([hits, first_ms]) = before.get(&entry.key) {
                entry.learned.hits += hits;
                entry.learned.first_ms = entry.learned.first_ms.min(*first_ms);
            }
        }
        entries.sort_by_key(|entry| (entry.address(), entry.client()));
        Ok(entries)
    }

    fn keys(&self) -> Result<Vec<LearnedKey>, LearnedError> {
        let keys: Result<_, _> = self.map.keys().collect();
        keys.map_err(cannot("read"))
    }

    /// Whether any answer gave this address, to whomever.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn knows(&self, address: IpAddr) -> Result<bool, LearnedError> {
        let addr = Addr::from(address).learned_as();
        if self.of(LearnedKey::for_all(addr))?.is_some() {
            return Ok(true);
        }
        Ok(self.keys()?.iter().any(|key| key.addr == addr))
    }

    fn of(&self, key: LearnedKey) -> Result<Option<Entry>, LearnedError> {
        match self.map.get(&key, 0) {
            Ok(learned) => Ok(Some(Entry { key, learned })),
            // It has left meanwhile.
            Err(MapError::KeyNotFound) => Ok(None),
            Err(fault) => Err(cannot("read")(fault)),
        }
    }

    /// Forgets an address.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget(&mut self, entry: &Entry) -> Result<(), LearnedError> {
        match self.map.remove(&entry.key) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(fault) => Err(cannot("forget")(fault)),
        }
    }

    /// Forgets what some patterns taught of an address. An answer that the kernel learns at that very moment
    /// may be forgotten as well; the client that gets no connection asks again.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn forget_patterns(
        &mut self,
        entry: &Entry,
        is_forgotten: impl Fn(u32) -> bool,
    ) -> Result<(), LearnedError> {
        let mut left = entry.learned;
        for word in &mut left.slots {
            if Slot::from_word(*word).is_some_and(|slot| is_forgotten(slot.pattern)) {
                *word = 0;
            }
        }
        if left.slots == [0; TEACHERS] {
            return self.forget(entry);
        }
        let written = self.map.insert(&entry.key, &left, 0);
        written.map_err(cannot("forget"))
    }

    /// Teaches an address, beside what is known of it; an expiry is only ever moved later.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn teach(
        &mut self,
        key: LearnedKey,
        slots: &[Slot],
        now_ms: u64,
    ) -> Result<(), LearnedError> {
        let known = self.of(key)?.map(|entry| entry.learned);
        let known = known.unwrap_or(Learned {
            first_ms: now_ms,
            ..Learned::EMPTY
        });
        let taught = Taught(known.slots.map(Cell::new));
        for slot in slots {
            teach(&taught, *slot, now_ms);
        }
        let learned = Learned {
            slots: taught.0.map(Cell::into_inner),
            last_ms: now_ms,
            ..known
        };
        if learned.slots == known.slots {
            return Ok(());
        }
        self.map.insert(&key, &learned, 0).map_err(cannot("teach"))
    }
}

/// Slots that nobody else changes.
struct Taught([Cell<u64>; TEACHERS]);

impl Slots for Taught {
    fn load(&self, i: usize) -> u64 {
        self.0.get(i).map_or(0, Cell::get)
    }
}

impl SharedSlots for Taught {
    fn exchange(&self, i: usize, old: u64, new: u64) -> bool {
        let place = self.0.get(i).filter(|place| place.get() == old);
        place.map(|place| place.set(new)).is_some()
    }
}

/// How many connections to learned addresses each client has.
///
/// # Errors
/// The kernel refuses.
pub fn connections(pinned: Pinned<'_>) -> Result<BTreeMap<IpAddr, u64>, LearnedError> {
    let mut clients = BTreeMap::new();
    for key in pinned.flows()?.keys() {
        let key: FlowKey = key.map_err(cannot("read connections to"))?;
        *clients.entry(key.src.into()).or_default() += 1;
    }
    Ok(clients)
}

/// Ends the connections to some addresses: their next packet needs an answer. Tells how many there were.
///
/// # Errors
/// The kernel refuses.
pub fn end_connections(
    pinned: Pinned<'_>,
    is_ended: impl Fn(IpAddr) -> bool,
) -> Result<usize, LearnedError> {
    let mut flows = pinned.flows()?;
    let keys: Result<Vec<FlowKey>, _> = flows.keys().collect();
    let keys = keys.map_err(cannot("read connections to"))?;
    let mut ended = 0;
    for key in keys.iter().filter(|key| is_ended(key.dst.into())) {
        match flows.remove(key) {
            Ok(()) => ended += 1,
            Err(MapError::KeyNotFound) => {}
            Err(fault) => return Err(cannot("end connections to")(fault)),
        }
    }
    stamp::renew_all(pinned)?;
    Ok(ended)
}
