//! The wall clock: certificates, feeds, dates of rules and what outlives a reboot go by it.

use jiff::{Timestamp, civil::date, tz::TimeZone};

use super::finding::Finding;

/// What was seen of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clock {
    /// What it says.
    pub now: Timestamp,
    /// Whether something keeps it right, as far as the kernel says.
    pub is_synchronised: Option<bool>,
    /// When the newest generation was made, by the clock of then.
    pub generation: Option<Timestamp>,
}

impl Clock {
    /// Judges it.
    pub fn judge(&self) -> Finding {
        const CHECK: &str = "clock";
        const FIX: &str = "timedatectl set-ntp true, or install chrony";
        let now = format!("{:.0}", self.now);
        if !is_plausible(self.now) {
            return Finding::fail(
                CHECK,
                format!("it says {now}: certificates and dates of rules mean nothing by it"),
                FIX,
            );
        }
        if let Some(made) = self.generation.filter(|made| *made > self.now) {
            return Finding::warn(
                CHECK,
                format!(
                    "it says {now}, but a generation was made at {made:.0}: it was set back, or was wrong then"
                ),
                FIX,
            );
        }
        match self.is_synchronised {
            Some(true) => Finding::ok(CHECK, format!("synchronised, {now}")),
            Some(false) => {
                Finding::warn(CHECK, format!("nothing keeps it right; it says {now}"), FIX)
            }
            None => Finding::skipped(
                CHECK,
                format!("the kernel does not say whether {now} is right"),
            ),
        }
    }
}

/// Behind the built-in data, and not so far ahead that it must be a mistake.
fn is_plausible(now: Timestamp) -> bool {
    let year = now.to_zoned(TimeZone::UTC).date();
    (date(2026, 5, 31)..date(2060, 1, 1)).contains(&year)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome::{Fail, Ok, Skipped, Warn};

    #[test]
    fn clocks_are_judged() {
        let table = [
            ("right", "2026-11-22T08:00:00Z", Some(true), None, Ok),
            ("nobody's", "2026-11-22T08:00:00Z", Some(false), None, Warn),
            ("unknown", "2026-11-22T08:00:00Z", None, None, Skipped),
            (
                "without a battery",
                "1970-01-01T00:01:00Z",
                Some(false),
                None,
                Fail,
            ),
            (
                "before the data",
                "2026-05-30T23:59:59Z",
                Some(true),
                None,
                Fail,
            ),
            ("far ahead", "2098-01-01T00:00:00Z", Some(true), None, Fail),
            (
                "set back",
                "2026-11-22T08:00:00Z",
                Some(true),
                Some("2027-01-01T00:00:00Z"),
                Warn,
            ),
            (
                "behind it",
                "2026-11-22T08:00:00Z",
                Some(true),
                Some("2026-11-22T07:59:00Z"),
                Ok,
            ),
        ];
        for (what, now, is_synchronised, generation, outcome) in table {
            let clock = Clock {
                now: now.parse().unwrap(),
                is_synchronised,
                generation: generation.map(|made| made.parse().unwrap()),
            };
            let finding = clock.judge();
            assert_eq!(finding.outcome, outcome, "{what}: {finding}");
        }
    }
}
