//! Tables of one destination and one client, for tests.

use super::*;
use crate::{learned::Learned, verdict::Denial};

pub(crate) const NOW_MS: u64 = 1_000_000;
pub(crate) const CLIENT: Addr = Addr::v4([10, 20, 0, 2]);
pub(crate) const SERVER: Addr = Addr::v4([203, 0, 113, 5]);
pub(crate) const GROUP: u32 = 3;

/// What the tables hold of one destination and one client.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) group: Option<u32>,
    pub(crate) policy: Option<GroupPolicy>,
    pub(crate) marks: u32,
    /// What its ruleset says, if prefixes cover it at all; `None` in it where the ruleset is missing.
    pub(crate) ruleset: Option<Option<Match>>,
    pub(crate) denies_names: bool,
    pub(crate) learned: Option<Learned>,
    /// What the patterns say, from number 1 on.
    pub(crate) taught: [Match; 3],
    pub(crate) admitted: Option<Slot>,
    pub(crate) refused_until_ms: Option<u64>,
}

pub(crate) const MISS: Match = Match::Not(Misses::NONE);

/// A client of a group that enforces, and a destination of which nothing is known.
pub(crate) const EMPTY: World = World {
    group: Some(GROUP),
    policy: Some(GroupPolicy {
        mode: Mode::Enforce,
        denial: Denial::Drop,
        counters: 1,
        dns: DnsPolicy::Watch,
    }),
    marks: 0,
    ruleset: None,
    denies_names: false,
    learned: None,
    taught: [MISS; 3],
    admitted: None,
    refused_until_ms: None,
};

impl Tables for World {
    type Learned = Learned;

    fn group(&self, _flow: &Flow) -> Option<u32> {
        self.group
    }

    fn policy(&self, group: u32) -> Option<GroupPolicy> {
        assert_eq!(group, GROUP);
        self.policy
    }

    fn denies_names(&self) -> bool {
        self.denies_names
    }

    fn destination(&self, _addr: &Addr) -> Destination {
        Destination {
            ruleset: u32::from(self.ruleset.is_some()),
            marks: self.marks,
        }
    }

    fn decide(&self, index: u32, _flow: &Flow, group: u32) -> Option<Match> {
        assert_eq!((index, group), (1, GROUP));
        self.ruleset.expect("no ruleset was named")
    }

    fn decide_taught(&self, pattern: u32, _flow: &Flow, group: u32) -> Match {
        assert_eq!(group, GROUP);
        self.taught[pattern as usize - 1]
    }

    fn may_ask(&self, _message: &mut Message, _group: u32) -> bool {
        false
    }

    fn learned(&self, _flow: &Flow) -> Option<&Learned> {
        self.learned.as_ref()
    }

    fn admitted(&self, _flow: &Flow) -> Option<u64> {
        self.admitted.map(Slot::to_word)
    }

    fn refused_until_ms(&self, _addr: &Addr) -> Option<u64> {
        self.refused_until_ms
    }

    fn now_ms(&self) -> u64 {
        NOW_MS
    }
}

/// A pattern's teaching that ends so many ms from now.
pub(crate) fn slot(pattern: u32, left_ms: i64) -> Slot {
    Slot {
        pattern,
        expires_ms: NOW_MS.saturating_add_signed(left_ms),
    }
}

pub(crate) fn learned(slots: &[Slot]) -> Option<Learned> {
    let mut learned = Learned::EMPTY;
    for (place, slot) in learned.slots.iter_mut().zip(slots) {
        *place = slot.to_word();
    }
    Some(learned)
}

pub(crate) fn policy(mode: Mode, dns: DnsPolicy) -> Option<GroupPolicy> {
    let policy = EMPTY.policy?;
    Some(GroupPolicy {
        mode,
        dns,
        ..policy
    })
}
