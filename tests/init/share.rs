//! Which batches of tests this guest runs, where several share them.

use std::{env, str::FromStr};

use anyhow::{Context, Result, ensure};

/// What the kernel hands on of its command line; xtask/src/vm/share.rs writes it.
const VARIABLE: &str = "EGRESS_SHARE";

/// One of so many guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    number: usize,
    of: usize,
}

impl Share {
    /// That of this guest; all where nobody said anything.
    pub fn of_this_guest() -> Result<Self> {
        match env::var(VARIABLE) {
            Ok(told) => told
                .parse()
                .with_context(|| format!("{VARIABLE} is {told}, and not like 0/2")),
            Err(_) => Ok(Self { number: 0, of: 1 }),
        }
    }

    /// Whether this guest does what one of them is enough for.
    pub fn is_first(self) -> bool {
        self.number == 0
    }

    /// Whether this guest takes the one at this place.
    pub fn takes(self, place: usize) -> bool {
        place % self.of == self.number
    }
}

impl FromStr for Share {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (number, of) = text.split_once('/').context("there is no /")?;
        let share = Self {
            number: number.parse()?,
            of: of.parse()?,
        };
        ensure!(share.number < share.of, "there is no such guest");
        Ok(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_taken_once() {
        let shares: [Share; 3] = ["0/3", "1/3", "2/3"].map(|text| text.parse().expect(text));
        for place in 0..10 {
            let takers = shares.iter().filter(|share| share.takes(place)).count();
            assert_eq!(takers, 1, "{place}");
        }
        assert!(shares[0].is_first() && !shares[1].is_first());
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0/0", "2/2", "-1/2", "a/b"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
