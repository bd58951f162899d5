//! Many durations in, their median and 99th percentile out.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// In microseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Timing {
    median_us: u64,
    p99_us: u64,
}

impl Timing {
    /// Zero if there are none.
    pub(crate) fn of(durations: impl Iterator<Item = Duration>) -> Self {
        let mut sorted: Vec<Duration> = durations.collect();
        sorted.sort_unstable();
        let at = |hundredths: usize| {
            let index = sorted.len() * hundredths / 100;
            let duration = sorted.get(index.min(sorted.len().saturating_sub(1)));
            duration.map_or(0, |duration| {
                duration.as_micros().try_into().unwrap_or(u64::MAX)
            })
        };
        Self {
            median_us: at(50),
            p99_us: at(99),
        }
    }
}

impl fmt::Display for Timing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median_us, p99_us } = self;
        write!(f, "median {median_us} µs, p99 {p99_us} µs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_few_and_of_many() {
        for (what, count, median_us, p99_us) in [
            ("none", 0, 0, 0),
            ("one", 1, 0, 0),
            ("two", 2, 1, 1),
            ("a thousand", 1000, 500, 990),
        ] {
            let timing = Timing::of((0..count).rev().map(Duration::from_micros));
            assert_eq!(timing, Timing { median_us, p99_us }, "{what}");
        }
    }
}
