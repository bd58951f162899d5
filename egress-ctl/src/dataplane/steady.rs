//! Reads what several maps hold together, while an upgrade may move their pins.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, thread, time::Duration};

use super::{
    aside::{BEFORE, MOVING},
    carried::CARRIED,
    counters::ReadError,
    maps::Pinned,
};

/// An upgrade moves pins twice, within moments.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// Reads, and once more where pins moved meanwhile.
pub(super) fn steady<T>(
    pinned: Pinned<'_>,
    read: impl Fn() -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    for _ in 0..ATTEMPTS {
        let before = State::of(pinned.0);
        let done = read();
        if State::of(pinned.0) == before {
            return done;
        }
        thread::sleep(PAUSE);
    }
    read()
}

/// Where pins are, by the numbers of folders and of a map's pin.
#[derive(PartialEq, Eq)]
struct State([Option<u64>; 4]);

impl State {
    fn of(pin_dir: &Path) -> Self {
        Self(["VERDICTS", MOVING, BEFORE, CARRIED].map(|name| {
            let about = fs::metadata(pin_dir.join(name));
            about.ok().map(|about| about.ino())
        }))
    }
}
