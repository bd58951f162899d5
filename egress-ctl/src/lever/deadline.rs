//! A time that comes though the clock is set and the machine starts anew.
//!
//! As long as the machine runs, the boot-time clock counts, which nobody sets. After a reboot only the wall
//! clock is left, and however it was set, no more than the whole time is left.

use std::{fs, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::dns::time::Clocks;

/// A moment: which boot of the machine it is in, and both clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Now {
    boot: String,
    clocks: Clocks,
}

impl Now {
    /// This moment.
    pub fn read() -> Self {
        // Without it no boot is the same as another.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            boot: boot.trim().to_owned(),
            clocks: Clocks::now(),
        }
    }

    /// The wall clock's time.
    pub fn wall(&self) -> Timestamp {
        self.clocks.wall
    }

    /// The boot-time clock's, in ms.
    pub fn boot_ms(&self) -> u64 {
        self.clocks.boot_ms
    }
}

/// When something ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// The boot that it was set in.
    boot: String,
    /// The boot-time clock then, in ms.
    boot_ms: u64,
    /// The wall clock then, as it was when the deadline was set.
    wall: Timestamp,
    /// The whole time that it gave, in ms.
    whole_ms: u64,
}

impl Deadline {
    /// So long after now.
    pub fn after(whole: Duration, now: &Now) -> Self {
        let whole_ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX / 2);
        let boot_ms = now.clocks.boot_ms.saturating_add(whole_ms);
        Self {
            boot: now.boot.clone(),
            boot_ms,
            wall: now.clocks.at(boot_ms),
            whole_ms,
        }
    }

    /// How long it still takes; nothing once it has come.
    pub fn left(&self, now: &Now) -> Option<Duration> {
        let left = match self.is_of_this_boot(now) {
            true => self.boot_ms.saturating_sub(now.clocks.boot_ms),
            false => u64::try_from(now.clocks.ms_until(self.wall)).unwrap_or(0),
        };
        let left = left.min(self.whole_ms);
        (left > 0).then(|| Duration::from_millis(left))
    }

    /// Whether the machine has run ever since it was set.
    pub fn is_of_this_boot(&self, now: &Now) -> bool {
        !self.boot.is_empty() && self.boot == now.boot
    }

    /// The boot-time clock when it comes, in ms.
    pub fn boot_ms(&self, now: &Now) -> u64 {
        if self.is_of_this_boot(now) {
            return self.boot_ms;
        }
        let left = self.left(now).unwrap_or_default().as_millis();
        let boot_ms = now.clocks.boot_ms;
        boot_ms.saturating_add(u64::try_from(left).unwrap_or(u64::MAX))
    }

    /// The wall clock's time when it comes, by how the clock stands now.
    pub fn at(&self, now: &Now) -> Timestamp {
        let left = self.left(now).unwrap_or_default();
        now.wall().checked_add(left).unwrap_or(Timestamp::MAX)
    }
}

/// A length of time to the second, as a countdown tells it.
pub fn countdown(left: Duration) -> String {
    let whole = SignedDuration::from_secs(i64::try_from(left.as_secs()).unwrap_or(i64::MAX));
    format!("{whole:#}")
}

/// A length of time as it is typed: `90s`, `10m`, `1h`.
///
/// # Errors
/// It is none, or not above zero.
pub fn typed(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok();
    let whole = parsed.and_then(|whole| Duration::try_from(whole).ok());
    whole
        .filter(|whole| !whole.is_zero())
        .ok_or_else(|| "write a time such as 90s, 10m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(boot: &str, wall: &str, boot_ms: u64) -> Now {
        Now {
            boot: boot.to_owned(),
            clocks: Clocks {
                wall: wall.parse().unwrap(),
                boot_ms,
            },
        }
    }

    #[test]
    fn time_runs_whatever_becomes_of_the_clock() {
        let set = now("one", "2026-11-22T08:00:00Z", 100_000);
        let deadline = Deadline::after(Duration::from_secs(300), &set);
        let table = [
            ("at once", "one", "2026-11-22T08:00:00Z", 100_000, Some(300)),
            ("later", "one", "2026-11-22T08:01:00Z", 160_000, Some(240)),
            (
                "set back",
                "one",
                "2025-11-22T08:00:00Z",
                160_000,
                Some(240),
            ),
            (
                "set ahead",
                "one",
                "2027-11-22T08:00:00Z",
                160_000,
                Some(240),
            ),
            ("over", "one", "2026-11-22T08:00:00Z", 400_000, None),
            ("long over", "one", "2026-11-22T07:00:00Z", 900_000, None),
            ("rebooted", "two", "2026-11-22T08:02:00Z", 5_000, Some(180)),
            ("rebooted late", "two", "2026-11-22T08:05:00Z", 5_000, None),
            (
                "rebooted, set back",
                "two",
                "2001-01-01T00:00:00Z",
                5_000,
                Some(300),
            ),
            (
                "unknown boot",
                "",
                "2026-11-22T08:02:00Z",
                160_000,
                Some(180),
            ),
        ];
        for (what, boot, wall, boot_ms, left) in table {
            let seen = deadline.left(&now(boot, wall, boot_ms));
            assert_eq!(seen, left.map(Duration::from_secs), "{what}");
        }
    }

    #[test]
    fn a_deadline_survives_its_file() {
        let now = Now::read();
        let deadline = Deadline::after(Duration::from_millis(1_500), &now);
        let text = serde_json::to_string(&deadline).unwrap();
        assert_eq!(serde_json::from_str::<Deadline>(&text).unwrap(), deadline);
        assert_eq!(deadline.left(&now), Some(Duration::from_millis(1_500)));
        assert!(deadline.is_of_this_boot(&now));
        let endless = Deadline::after(Duration::MAX, &now);
        assert!(endless.left(&now).is_some());
    }

    #[test]
    fn times_are_typed_and_told() {
        let table = [
            ("90s", 90, "1m 30s"),
            ("10m", 600, "10m"),
            ("1h 5s", 3_605, "1h 5s"),
        ];
        for (text, seconds, told) in table {
            let whole = Duration::from_secs(seconds);
            assert_eq!(typed(text), Ok(whole));
            assert_eq!(countdown(whole), told);
        }
        for text in ["", "10", "0s", "-5m", "soon"] {
            assert!(typed(text).is_err(), "{text}");
        }
    }
}
