//! The kernel's clock and the wall's.
//!
//! Learned addresses expire by the boot-time clock, which nobody sets. Files name the wall clock's time, which
//! means something after a reboot and on another machine.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::dataplane::boot_ms;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// The wall clock.
    pub wall: Timestamp,
    /// The boot-time clock in ms.
    pub boot_ms: u64,
}

impl Clocks {
    /// Of now.
    pub fn now() -> Self {
        Self {
            wall: Timestamp::now(),
            boot_ms: boot_ms(),
        }
    }

    /// The wall clock's time of a moment of the boot-time clock.
    pub fn at(self, boot_ms: u64) -> Timestamp {
        let between = Duration::from_millis(boot_ms.abs_diff(self.boot_ms));
        let moved = match boot_ms < self.boot_ms {
            true => self.wall.checked_sub(between),
            false => self.wall.checked_add(between),
        };
        moved.unwrap_or(Timestamp::MAX)
    }

    /// Milliseconds from now to a time of the wall clock; negative if it is over.
    pub fn ms_until(self, then: Timestamp) -> i64 {
        let left: SignedDuration = then.duration_since(self.wall);
        i64::try_from(left.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A length of time in words, short.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// How long ago a time was, in words.
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs();
    format!("{} ago", span(u64::try_from(seconds).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_go_side_by_side() {
        let wall: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let clocks = Clocks {
            wall,
            boot_ms: 60_000,
        };
        for (boot_ms, text) in [
            (60_000, "2026-11-22T08:00:00Z"),
            (59_000, "2026-11-22T07:59:59Z"),
            (3_660_000, "2026-11-22T09:00:00Z"),
        ] {
            assert_eq!(clocks.at(boot_ms), text.parse().unwrap());
            let left = boot_ms as i64 - 60_000;
            assert_eq!(clocks.ms_until(clocks.at(boot_ms)), left);
        }
        assert_eq!(clocks.at(u64::MAX), Timestamp::MAX);
    }

    #[test]
    fn spans_are_short() {
        let table = [
            (0, "0 s"),
            (119, "119 s"),
            (150, "2 min"),
            (7_200, "2 h"),
            (200_000, "2 d"),
        ];
        for (seconds, text) in table {
            assert_eq!(span(seconds), text);
        }
    }
}
