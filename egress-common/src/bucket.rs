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
}
