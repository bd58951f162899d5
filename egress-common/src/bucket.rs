//! How many answers a client gets: a token bucket in one word.
//!
//! In: the word and the time. Out: the word after one more answer, or nothing where the bucket is empty.
//! The word is the time at which the bucket is full again (the generic cell rate algorithm of ITU-T I.371).

/// One answer fills up again in this time, in ms: 50 a second.
const EVERY_MS: u64 = 20;
/// Answers of a full bucket.
const BURST: u64 = 50;

/// Takes an answer out of the bucket; a word of 0 is a full one.
#[inline(always)]
pub const fn take(full_ms: u64, now_ms: u64) -> Option<u64> {
    let from = if full_ms > now_ms { full_ms } else { now_ms };
    let full_ms = from + EVERY_MS;
    if full_ms - now_ms > BURST * EVERY_MS {
        return None;
    }
    Some(full_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_every_20_ms() {
        let mut word = 0;
        let mut given = |now_ms| match take(word, now_ms) {
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
