//! The machine's wall clock, moved for a while.
//!
//! It is everybody's: only a person who says so, or a guest that nobody else uses, may move it.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

/// Moves the clock back to where it would be, when dropped.
#[derive(Debug)]
pub struct Moved(i64);

impl Moved {
    /// Sets the clock back.
    pub fn back(time: Duration) -> Result<Self> {
        Self::by(-seconds(time))
    }

    /// Sets the clock ahead.
    pub fn ahead(time: Duration) -> Result<Self> {
        Self::by(seconds(time))
    }

    fn by(seconds: i64) -> Result<Self> {
        move_by(seconds).context("cannot set the clock")?;
        Ok(Self(seconds))
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        if let Err(fault) = move_by(-self.0) {
            anstream::eprintln!("the clock is {} s off: {fault}", self.0);
        }
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

fn move_by(seconds: i64) -> rustix::io::Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let tv_sec = now.tv_sec + seconds;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, ..now })
}
