//! How much is measured, and until when: each part of a run gets its share of the time that is left.

use std::time::{Duration, Instant};

use serde::Serialize;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Extent {
    /// Up to ten minutes.
    Full,
    /// Up to one.
    Quick,
    /// A few seconds, for a test that all of it runs: no figure is worth anything.
    Trial,
}

impl Extent {
    /// A little less than was promised, for a round that has begun is measured to its end.
    fn time(self) -> Duration {
        Duration::from_secs(match self {
            Self::Full => 540,
            Self::Quick => 48,
            // Measured once, however long that takes.
            Self::Trial => 3600,
        })
    }
}

/// How much of something is measured: rounds and sizes, and when it has to end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    extent: Extent,
    end: Instant,
}

impl Effort {
    /// A whole run that begins now.
    pub(super) fn new(extent: Extent) -> Self {
        let end = Instant::now() + extent.time();
        Self { extent, end }
    }

    /// A share of the time that is left, from now on.
    pub(super) fn part(self, share: f64) -> Self {
        let now = Instant::now();
        let left = self.end.saturating_duration_since(now);
        let end = now + left.mul_f64(share.clamp(0.0, 1.0));
        Self { end, ..self }
    }

    /// Whether no time is left.
    pub(super) fn is_over(self) -> bool {
        self.is_too_short_for(Duration::ZERO)
    }

    /// Whether something that takes so long would end too late.
    pub(super) fn is_too_short_for(self, time: Duration) -> bool {
        Instant::now() + time > self.end
    }

    /// What was asked for.
    pub(super) fn extent(self) -> Extent {
        self.extent
    }

    /// Rounds of each measurement, at most.
    pub(super) fn rounds(self) -> usize {
        match self.extent {
            Extent::Full => 31,
            Extent::Quick => 9,
            Extent::Trial => 1,
        }
    }

    /// Rounds of what takes seconds, at most.
    pub(super) fn few_rounds(self) -> usize {
        match self.extent {
            Extent::Full => 9,
            Extent::Quick => 3,
            Extent::Trial => 1,
        }
    }

    /// Time of one measurement of a program.
    pub(super) fn time(self) -> Duration {
        Duration::from_millis(match self.extent {
            Extent::Full => 60,
            Extent::Quick => 20,
            Extent::Trial => 1,
        })
    }

    /// Packets of one measurement on a wire, at least; the first ones wake everybody up.
    pub(super) fn packets(self) -> u64 {
        match self.extent {
            Extent::Full | Extent::Quick => 1000,
            Extent::Trial => 1,
        }
    }

    /// Lookups of one measurement.
    pub(super) fn lookups(self) -> usize {
        match self.extent {
            Extent::Full | Extent::Quick => 20,
            Extent::Trial => 2,
        }
    }

    /// Sizes of catalogues.
    pub(super) fn sizes(self) -> &'static [usize] {
        match self.extent {
            Extent::Full | Extent::Quick => &[500, 10_000, 100_000],
            Extent::Trial => &[500],
        }
    }

    /// Whether this size is measured; why not.
    pub(super) fn leaves_out(self, size: usize) -> Option<String> {
        let is_there = self.sizes().contains(&size);
        (!is_there).then(|| format!("a trial has no catalogue of {size} prefixes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_ends_no_later_than_the_whole() {
        let whole = Effort::new(Extent::Quick);
        for share in [0.0, 0.5, 1.0, 7.0] {
            let part = whole.part(share);
            assert!(part.end <= whole.end, "{share}");
            assert_eq!(part.extent(), Extent::Quick);
        }
        assert!(
            whole
                .part(0.5)
                .is_too_short_for(Extent::Quick.time().mul_f64(0.6))
        );
        assert!(!whole.part(0.5).is_too_short_for(Duration::from_secs(1)));
    }

    #[test]
    fn time_that_is_over_has_no_parts() {
        let over = Effort::new(Extent::Full).part(0.0).part(1.0);
        assert!(over.is_over());
    }
}
