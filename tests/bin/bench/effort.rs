//! How much is measured.

use std::time::Duration;

use serde::Serialize;

/// How long a run may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Effort {
    /// Up to ten minutes.
    Full,
    /// Up to one.
    Quick,
    /// A few seconds, for a test that all of it runs: no figure is worth anything.
    Trial,
}

impl Effort {
    /// Rounds of each measurement.
    pub(super) fn rounds(self) -> usize {
        match self {
            Self::Full => 31,
            Self::Quick => 9,
            Self::Trial => 1,
        }
    }

    /// Rounds of what takes seconds.
    pub(super) fn few_rounds(self) -> usize {
        match self {
            Self::Full => 9,
            Self::Quick => 3,
            Self::Trial => 1,
        }
    }

    /// Time of one measurement of a program.
    pub(super) fn time(self) -> Duration {
        Duration::from_millis(match self {
            Self::Full => 60,
            Self::Quick => 20,
            Self::Trial => 1,
        })
    }

    /// Packets of one measurement on a wire, at least; the first ones wake everybody up.
    pub(super) fn packets(self) -> u64 {
        match self {
            Self::Full | Self::Quick => 1000,
            Self::Trial => 1,
        }
    }

    /// Sizes of catalogues.
    pub(super) fn sizes(self) -> &'static [usize] {
        match self {
            Self::Full | Self::Quick => &[500, 10_000, 100_000],
            Self::Trial => &[500],
        }
    }

    /// Whether this size is measured; why not.
    pub(super) fn leaves_out(self, size: usize) -> Option<String> {
        let is_there = self.sizes().contains(&size);
        (!is_there).then(|| format!("a trial has no catalogue of {size} prefixes"))
    }
}
