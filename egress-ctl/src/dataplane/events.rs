//! The one reader of events.
//!
//! A ring buffer of the kernel has one place up to which it was read, so there is one watcher at a time: it
//! locks the folder of links, and writes into the kernel until when it will read. Nobody reads: no event is
//! made.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use aya::maps::{Array, MapData, MapError, RingBuf};
use egress_common::event::{Event, Watcher};

use super::{
    boot_ms, boot_ns,
    hook::LINKS,
    maps::{Pinned, PinnedError},
};

/// Why events cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// Somebody else reads them.
    #[error(
        "events are watched already{}: a ring buffer has one reader, so end that one first, or ask it",
        whose(.pid)
    )]
    Watched {
        /// Its process id, where it could be read.
        pid: Option<u64>,
    },
    /// The lock cannot be used.
    #[error("cannot lock {}", .path.display())]
    Lock {
        /// The folder that is locked.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The kernel refused to note the watcher.
    #[error("cannot tell the kernel that somebody reads events")]
    Beat(#[source] MapError),
}

fn whose(pid: &Option<u64>) -> String {
    pid.map_or_else(String::new, |pid| format!(", by process {pid}"))
}

/// Reads events, for as long as it says so.
pub struct Watch {
    ring: RingBuf<MapData>,
    watcher: Array<MapData, Watcher>,
    /// Events until then are those that a watcher left which did not come to its end.
    seen_ns: u64,
    /// Whether somebody else goes on at once.
    is_handed_over: bool,
    _lock: File,
}

impl Watch {
    /// How long the kernel goes on making events for a watcher that has gone without a word.
    const TRUST_MS: u64 = 3000;

    /// Begins to watch; events are those from now on.
    ///
    /// # Errors
    /// Somebody else watches, or nothing is loaded.
    pub fn begin(pin_dir: &Path) -> Result<Self, WatchError> {
        Self::begin_after(pin_dir, boot_ns())
    }

    /// Begins to watch where somebody else has ended, who saw events until `seen_ns` of the boot-time clock.
    ///
    /// # Errors
    /// As of [`Self::begin`].
    pub fn begin_after(pin_dir: &Path, seen_ns: u64) -> Result<Self, WatchError> {
        let pinned = Pinned(pin_dir);
        let mut watch = Self {
            ring: pinned.events()?,
            watcher: pinned.watcher()?,
            seen_ns,
            is_handed_over: false,
            _lock: lock(pin_dir)?,
        };
        watch.beat()?;
        Ok(watch)
    }

    /// Says that it goes on reading; to be said every second.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn beat(&mut self) -> Result<(), WatchError> {
        self.say(boot_ms() + Self::TRUST_MS)
    }

    /// Ends, and leaves what comes from now on to whoever begins within [`Self::TRUST_MS`].
    pub fn hand_over(mut self) {
        self.is_handed_over = true;
    }

    fn say(&mut self, until_ms: u64) -> Result<(), WatchError> {
        let watcher = Watcher {
            until_ms,
            pid: u64::from(std::process::id()),
        };
        self.watcher.set(0, &watcher, 0).map_err(WatchError::Beat)
    }
}

/// The events that are there, and none where there is none yet.
impl Iterator for Watch {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        loop {
            let event = Event::from_bytes(&self.ring.next()?);
            let new = event.filter(|event| event.at_ns > self.seen_ns);
            if new.is_some() {
                return new;
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Where the kernel refuses, it stops by itself soon.
        let _: Result<(), WatchError> = match self.is_handed_over {
            true => self.beat(),
            false => self.say(0),
        };
    }
}

fn lock(pin_dir: &Path) -> Result<File, WatchError> {
    let path = pin_dir.join(LINKS);
    let fault = |source| WatchError::Lock {
        path: path.clone(),
        source,
    };
    let folder = File::open(&path).map_err(fault)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => Err(WatchError::Watched {
            pid: holder(Pinned(pin_dir)),
        }),
        Err(TryLockError::Error(source)) => Err(fault(source)),
    }
}

/// Process id of whoever reads events now.
pub fn holder(pinned: Pinned<'_>) -> Option<u64> {
    let watcher = pinned.watcher().ok()?.get(&0, 0).ok()?;
    (watcher.until_ms > boot_ms()).then_some(watcher.pid)
}
