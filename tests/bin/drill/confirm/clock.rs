//! The machine's wall clock, set back for a while.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};

/// Sets the clock ahead again when dropped.
pub(super) struct SetBack(i64);

impl SetBack {
    pub(super) fn by(time: Duration) -> Result<Self> {
        let seconds = i64::try_from(time.as_secs())?;
        move_by(-seconds).context("cannot set the clock")?;
        Ok(Self(seconds))
    }
}

impl Drop for SetBack {
    fn drop(&mut self) {
        if let Err(fault) = move_by(self.0) {
            anstream::eprintln!("the clock is {} s behind: {fault}", self.0);
        }
    }
}

fn move_by(seconds: i64) -> rustix::io::Result<()> {
    let now = clock_gettime(ClockId::Realtime);
    let tv_sec = now.tv_sec + seconds;
    clock_settime(ClockId::Realtime, Timespec { tv_sec, ..now })
}
