//! The word under which the kernel program remembers next hops.
//!
//! Whoever raises it takes all of them back at once. While it says so, nothing is forwarded past the stack: from
//! the moment that something has changed which the judgement goes by until it was judged anew.

use aya::maps::{Array, MapData, MapError};
use egress_common::forward::PAUSED;

use crate::dataplane::{
    boot_ms,
    maps::{Pinned, PinnedError},
};

/// The word.
pub struct Epoch {
    map: Array<MapData, u64>,
    number: u64,
    is_paused: bool,
    /// How often something gave reason to judge anew.
    doubts: u64,
}

impl Epoch {
    /// As it stands in the kernel; nothing is forwarded by it until [`resume`](Self::resume).
    ///
    /// # Errors
    /// The map is not there, or the kernel refuses.
    pub fn open(pinned: Pinned<'_>) -> Result<Self, super::ForwardError> {
        let map = pinned.forward_epoch()?;
        // Numbers of before do not come again, also where the maps are new.
        let number = map.get(&0, 0)? & !PAUSED;
        let mut epoch = Self {
            map,
            number: number.max(boot_ms()),
            is_paused: true,
            doubts: 0,
        };
        epoch.pause()?;
        Ok(epoch)
    }

    /// Takes back what is remembered.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn raise(&mut self) -> Result<(), MapError> {
        self.number += 1;
        self.write()
    }

    /// Forwards nothing until it is judged anew.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn pause(&mut self) -> Result<(), MapError> {
        self.doubts += 1;
        self.is_paused = true;
        self.raise()
    }

    /// How often there was reason to judge anew; asked before facts are gathered.
    pub fn doubts(&self) -> u64 {
        self.doubts
    }

    /// Forwards by what was judged, unless something has changed since there were so many doubts. Tells whether it
    /// does.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn resume(&mut self, doubts: u64) -> Result<bool, MapError> {
        if doubts != self.doubts {
            return Ok(false);
        }
        if self.is_paused {
            self.is_paused = false;
            self.raise()?;
        }
        Ok(true)
    }

    fn write(&mut self) -> Result<(), MapError> {
        let paused = if self.is_paused { PAUSED } else { 0 };
        self.map.set(0, &(self.number | paused), 0)
    }
}

/// For programs that are run without a daemon, as benches do.
///
/// # Errors
/// The map is not there, or the kernel refuses.
pub fn forward_now(pinned: Pinned<'_>) -> Result<(), super::ForwardError> {
    let mut epoch = Epoch::open(pinned)?;
    epoch.resume(epoch.doubts())?;
    Ok(())
}

/// Forwards nothing from now on, whoever looked before.
///
/// # Errors
/// The map is not there, or the kernel refuses.
pub fn stop(pinned: Pinned<'_>) -> Result<(), super::ForwardError> {
    match Epoch::open(pinned) {
        Ok(_) | Err(super::ForwardError::Pinned(PinnedError::NotLoaded(_))) => Ok(()),
        Err(fault) => Err(fault),
    }
}
