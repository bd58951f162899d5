//! How often something may be done: a token bucket in one word.
//!
//! In: the word and the time. Out: the word after it was done once more, or nothing where the bucket is
//! empty (the generic cell rate algorithm of ITU-T I.371). A word of 0 is a full bucket.

/// How often something may be done: `burst` times at once, then once every `every_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Time between two of them in the long run.
    pub every_ms: u64,
    /// How many at once, after a silence.
    pub burst: u64,
}

/// Answers of one client to its rejected packets: 50 at once, 50 a second.
pub const REFUSALS: Rate = Rate {
    every_ms: 20,
    burst: 50,
};

impl Rate {
    /// Whether it may be done now. `due_ms` is when the next one would be due if they came as regularly as
    /// the rate wants it; the new value comes back where it may.
    #[inline(always)]
    pub const fn take(self, due_ms: u64, now_ms: u64) -> Option<u64> {
        let due_ms = if due_ms < now_ms { now_ms } else { due_ms };
        if due_ms - now_ms > (self.burst - 1) * self.every_ms {
            return None;
        }
        Some(due_ms + self.every_ms)
    }

    /// How often it may be done now.
    #[inline(always)]
    pub const fn left(self, due_ms: u64, now_ms: u64) -> u64 {
        let ahead_ms = due_ms.saturating_sub(now_ms);
        self.burst.saturating_sub(ahead_ms.div_ceil(self.every_ms))
    }

    /// The word after it was done so often now; of several at once each may have done it as often as was left.
    #[inline(always)]
    pub const fn done(self, due_ms: u64, now_ms: u64, times: u64) -> u64 {
        let due_ms = if due_ms < now_ms { now_ms } else { due_ms };
        due_ms + self.every_ms * times
    }

    /// How often it can be done within `ms`.
    pub const fn most(self, ms: u64) -> u64 {
        self.burst + ms / self.every_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_every_20_ms() {
        let mut word = 0;
        let mut given = |now_ms| match REFUSALS.take(word, now_ms) {
            Some(next) => {
                word = next;
                true
            }
            None => false,
        };
        let burst = (0..80).filter(|_| given(10_000)).count();
        assert_eq!(burst, 50);
        assert!(!given(10_019));
        assert!(given(10_020));
        assert!(!given(10_021));
        let second = (0..1000).filter(|ms| given(10_040 + ms)).count();
        assert_eq!(second, 50);
        let after_a_rest = (0..80).filter(|_| given(100_000)).count();
        assert_eq!(after_a_rest, 50);
    }

    #[test]
    fn many_at_once_are_as_many_as_one_by_one() {
        let rate = REFUSALS;
        for (due_ms, now_ms) in [
            (0, 10_000),
            (10_001, 10_000),
            (10_999, 10_000),
            (11_500, 10_000),
        ] {
            let left = rate.left(due_ms, now_ms);
            let mut word = due_ms;
            let mut times = 0;
            while let Some(next) = rate.take(word, now_ms) {
                (word, times) = (next, times + 1);
            }
            assert_eq!(left, times, "{due_ms}");
            if times > 0 {
                assert_eq!(rate.done(due_ms, now_ms, times), word, "{due_ms}");
            }
        }
    }
}
