//! What was sent and under which counters it must stand: sends go in, bounds of what may be counted come out.

use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::way::{Account, Promise, Way};
use crate::status::Status;

const ACCOUNTS: usize = Account::ALL.len();

/// Sends by counter, noted from any thread.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Those that reach the filter and raise this counter.
    sure: [AtomicU64; ACCOUNTS],
    /// Those that may: a link is down, or the policy changes just now.
    maybe: [AtomicU64; ACCOUNTS],
}

/// A counter beside what was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tallied {
    /// The counter.
    pub counter: &'static str,
    /// So many it must have counted.
    pub at_least: u64,
    /// So many it may have counted.
    pub at_most: u64,
    /// What it counted.
    pub counted: u64,
}

impl Ledger {
    /// Notes a datagram that left.
    pub fn datagram(&self, way: Way, promise: Promise, is_blind: bool) {
        let accounts = way.accounts(promise);
        for account in accounts {
            self.note(*account, is_blind || accounts.len() > 1);
        }
    }

    /// Notes a packet that this counter counts.
    pub fn note(&self, account: Account, is_maybe: bool) {
        let sums = if is_maybe { &self.maybe } else { &self.sure };
        if let Some(sum) = sums.get(account as usize) {
            sum.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Each counter beside what was sent between two statuses.
    pub fn tally(&self, before: &Status, after: &Status) -> Vec<Tallied> {
        let sums = self.sure.iter().zip(&self.maybe);
        let tally = |(account, (sure, maybe)): (Account, (&AtomicU64, &AtomicU64))| {
            let (sure, maybe) = (sure.load(Ordering::Relaxed), maybe.load(Ordering::Relaxed));
            Tallied {
                counter: account.name(),
                at_least: sure,
                at_most: sure + maybe,
                counted: account
                    .counted(after)
                    .saturating_sub(account.counted(before)),
            }
        };
        Account::ALL.into_iter().zip(sums).map(tally).collect()
    }
}

impl Tallied {
    /// Whether nothing was lost, and nothing counted that was not sent.
    pub fn holds(&self) -> bool {
        (self.at_least..=self.at_most).contains(&self.counted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_counted_widens_the_bound_only_upwards() {
        let ledger = Ledger::default();
        ledger.datagram(Way::Toggled, Promise::Drops, false);
        ledger.datagram(Way::Toggled, Promise::Open, false);
        ledger.datagram(Way::UnlistedV4, Promise::Drops, true);
        let bound = |account: Account| {
            let at = account as usize;
            let (sure, maybe) = (&ledger.sure[at], &ledger.maybe[at]);
            (sure.load(Ordering::Relaxed), maybe.load(Ordering::Relaxed))
        };
        assert_eq!(bound(Account::NeverResolved), (1, 2));
        assert_eq!(bound(Account::Feed), (0, 1));
        for (counted, holds) in [(0, false), (1, true), (3, true), (4, false)] {
            let tallied = Tallied {
                counter: "never-resolved",
                at_least: 1,
                at_most: 3,
                counted,
            };
            assert_eq!(tallied.holds(), holds, "{counted}");
        }
    }
}
