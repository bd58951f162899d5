//! The wall clock, as the daemon sees it set: it is told, for some things go by it.

use jiff::SignedDuration;
use tracing::warn;

use crate::dns::time::Clocks;

/// What a service that keeps the clock right sets it by is not told.
const SMALL: SignedDuration = SignedDuration::from_secs(60);

/// Both clocks when they were looked at last.
pub(super) struct WallClock(Clocks);

impl WallClock {
    /// As it stands now.
    pub(super) fn now() -> Self {
        Self(Clocks::now())
    }

    /// Tells where it was set since the last look.
    pub(super) fn look(&mut self) {
        let now = Clocks::now();
        if let Some(by) = self.set_by(now) {
            let way = match by.is_negative() {
                true => "back",
                false => "ahead",
            };
            warn!(
                "the clock was set {way} by {:#}, to {:.0}: rules with `until`, quarantines and the feeds' next polls go by it; what was learned, connections, trials and bypasses do not",
                by.abs(),
                now.wall,
            );
        }
        self.0 = now;
    }

    /// By how much it was set, where that is worth telling.
    fn set_by(&self, now: Clocks) -> Option<SignedDuration> {
        let expected = self.0.at(now.boot_ms);
        let by = now.wall.duration_since(expected);
        // To the second: some time passes between one clock and the other.
        let by = SignedDuration::from_secs(by.as_secs_f64().round() as i64);
        (by.abs() >= SMALL).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_is_told_from_one_that_runs() {
        let clocks = |wall: &str, boot_ms| Clocks {
            wall: wall.parse().unwrap(),
            boot_ms,
        };
        let before = WallClock(clocks("2026-11-22T08:00:00Z", 100_000));
        let hour = 3_600;
        let table = [
            ("runs", "2026-11-22T08:00:03Z", 103_000, None),
            ("slept", "2026-11-23T08:00:00Z", 86_500_000, None),
            ("slewed", "2026-11-22T08:00:33Z", 103_000, None),
            ("back", "2026-11-22T07:00:03Z", 103_000, Some(-hour)),
            (
                "a year back",
                "2025-11-22T08:00:03Z",
                103_000,
                Some(-365 * 24 * hour),
            ),
            (
                "a year ahead",
                "2027-11-22T08:00:03Z",
                103_000,
                Some(365 * 24 * hour),
            ),
        ];
        for (what, wall, boot_ms, expected) in table {
            let by = before.set_by(clocks(wall, boot_ms));
            assert_eq!(by.map(|by| by.as_secs()), expected, "{what}");
        }
    }
}
