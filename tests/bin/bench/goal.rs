//! What the bench must show: ratios within one run, and the bounds that they are held to.

use std::fmt;

use super::section::Section;

/// A bound of a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    /// So much or less.
    AtMost(f64),
    /// So much or more.
    AtLeast(f64),
}

impl Bound {
    /// Whether a value keeps it.
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value <= bound,
            Self::AtLeast(bound) => value >= bound,
        }
    }

    /// Whether a value is ten times as good as it has to be.
    pub(super) fn is_kept_by_far(self, value: f64) -> bool {
        match self {
            Self::AtMost(bound) => value * 10.0 <= bound,
            Self::AtLeast(bound) => value >= bound * 10.0,
        }
    }

    /// How many times a value is beyond it; 1 or less where it keeps it.
    pub(super) fn excess(self, value: f64) -> f64 {
        match self {
            Self::AtMost(bound) => value / bound,
            Self::AtLeast(bound) => bound / value,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(bound) => write!(f, "at most {bound}"),
            Self::AtLeast(bound) => write!(f, "at least {bound}"),
        }
    }
}

/// A ratio by its key in JSON, and its bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Goal {
    pub(super) key: &'static str,
    pub(super) what: &'static str,
    pub(super) bound: Bound,
    /// Who measures it.
    pub(super) section: Section,
}

/// Every one of them; each run says of each what it measured, or why it did not.
pub(super) const GOALS: [Goal; 16] = [
    Goal::new(
        Section::Packet,
        "allowed_500",
        "allowed, 500 prefixes, over parse and vary",
        Bound::AtMost(1.3),
    ),
    Goal::new(
        Section::Packet,
        "allowed_v6_500",
        "allowed, IPv6, over the same base",
        Bound::AtMost(1.6),
    ),
    Goal::new(
        Section::Packet,
        "denied",
        "denied, over the same base",
        Bound::AtMost(1.3),
    ),
    Goal::new(
        Section::Packet,
        "learned",
        "learned, over the same base",
        Bound::AtMost(1.5),
    ),
    Goal::new(
        Section::Packet,
        "allowed_100k_over_500",
        "100k prefixes over 500",
        Bound::AtMost(1.5),
    ),
    Goal::new(
        Section::Packet,
        "lpm_over_ours_500",
        "plain LPM_TRIE program over ours",
        Bound::AtLeast(2.0),
    ),
    Goal::new(
        Section::Forward,
        "veth_drop_over_floor",
        "drop on veth over drop-only XDP",
        Bound::AtMost(1.2),
    ),
    Goal::new(
        Section::Forward,
        "forward_pass_over_none",
        "forwarded over no filter",
        Bound::AtMost(1.05),
    ),
    Goal::new(
        Section::Forward,
        "forward_fast_over_none",
        "fast path over no filter",
        Bound::AtMost(0.2),
    ),
    Goal::new(
        Section::Forward,
        "nft_ct_over_fast_forward",
        "nftables with conntrack over fast path",
        Bound::AtLeast(8.0),
    ),
    Goal::new(
        Section::Forward,
        "nft_ct_over_drop",
        "nftables with conntrack over ours, dropped",
        Bound::AtLeast(12.0),
    ),
    Goal::new(
        Section::Packet,
        "dns_answer_cname_4a_over_floor",
        "DNS answer, CNAME and 4 A, over return only",
        Bound::AtMost(14.0),
    ),
    Goal::new(
        Section::Tables,
        "flip_ms",
        "flip of a prepared generation, ms",
        Bound::AtMost(1.0),
    ),
    Goal::new(
        Section::Tables,
        "build_100k_ms",
        "tables of 100k prefixes built, ms",
        Bound::AtMost(100.0),
    ),
    Goal::new(
        Section::Tables,
        "memory_500_mb",
        "tables of 500 prefixes, MB",
        Bound::AtMost(1.0),
    ),
    Goal::new(
        Section::Tables,
        "memory_100k_mb",
        "tables of 100k prefixes, MB",
        Bound::AtMost(16.0),
    ),
];

impl Goal {
    /// Whether it is no ratio but a time, which depends on the machine.
    pub(super) fn is_time(&self) -> bool {
        self.key.ends_with("_ms")
    }

    const fn new(section: Section, key: &'static str, what: &'static str, bound: Bound) -> Self {
        Self {
            key,
            what,
            bound,
            section,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_up_to_themselves() {
        for (bound, value, holds, by_far, excess) in [
            (Bound::AtMost(2.0), 0.2, true, true, 0.1),
            (Bound::AtMost(2.0), 1.0, true, false, 0.5),
            (Bound::AtMost(2.0), 2.0, true, false, 1.0),
            (Bound::AtMost(2.0), 3.0, false, false, 1.5),
            (Bound::AtLeast(8.0), 80.0, true, true, 0.1),
            (Bound::AtLeast(8.0), 8.0, true, false, 1.0),
            (Bound::AtLeast(8.0), 4.0, false, false, 2.0),
        ] {
            assert_eq!(bound.holds(value), holds, "{bound} {value}");
            assert_eq!(bound.is_kept_by_far(value), by_far, "{bound} {value}");
            assert_eq!(bound.excess(value), excess, "{bound} {value}");
        }
    }
}
