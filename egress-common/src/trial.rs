//! A generation on trial: it holds until a time, and then the one before holds again, unless somebody confirmed
//! it.
//!
//! The kernel's programs look at the clock themselves, so that a trial ends on time whoever runs in user space.

/// What the kernel knows of a trial.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Number of the generation on trial; 0 where none is.
    pub number: u64,
    /// Number of the generation before, whose tables are whole until the trial is over.
    pub back: u64,
    /// When it ends, in boot-time ms; [`NEVER_MS`] once it is confirmed.
    pub until_ms: u64,
}

const _: () = assert!(size_of::<Trial>() == 24);

/// A time of the boot-time clock that does not come.
pub const NEVER_MS: u64 = u64::MAX;

impl Trial {
    /// Number of the generation that holds where `number` was put into force last. Without a trial nobody asks
    /// for the time.
    #[inline(always)]
    pub fn in_force(&self, number: u64, now_ms: impl FnOnce() -> u64) -> u64 {
        if self.number == number && now_ms() >= self.until_ms {
            self.back
        } else {
            number
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generation_before_holds_again_from_the_very_end_on() {
        let trial = Trial {
            number: 8,
            back: 7,
            until_ms: 1_000,
        };
        let confirmed = Trial {
            until_ms: NEVER_MS,
            ..trial
        };
        let table = [
            (trial, 8, 999, 8),
            (trial, 8, 1_000, 7),
            (trial, 8, u64::MAX, 7),
            (trial, 7, 5_000, 7),
            (trial, 10, 5_000, 10),
            (confirmed, 8, 5_000, 8),
        ];
        for (trial, number, now_ms, expected) in table {
            assert_eq!(trial.in_force(number, || now_ms), expected, "{trial:?}");
        }
        let unasked = || -> u64 { panic!("the clock was read") };
        assert_eq!(Trial::default().in_force(3, unasked), 3);
    }
}
