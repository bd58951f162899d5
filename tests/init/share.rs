//! Which batches of tests a guest runs, where several share those of a kernel: told by xtask on the kernel's
//! command line, and read by the init.
//!
//! Both include this file, so that neither can say what the other does not understand.

use std::{
    fmt::{self, Display, Formatter},
    str::FromStr,
};

/// What the kernel hands on of its command line: it does not know it itself.
pub const VARIABLE: &str = "EGRESS_SHARE";

/// One of so many guests, such as `0/2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub number: usize,
    pub of: usize,
}

impl Display for Share {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once('/').and_then(|(number, of)| {
            let (number, of) = (number.parse().ok()?, of.parse().ok()?);
            (number < of).then_some(Self { number, of })
        });
        numbers.ok_or_else(|| format!("{VARIABLE} is {text}, and not like 0/2"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_as_it_was_told() {
        for share in [Share { number: 0, of: 1 }, Share { number: 1, of: 2 }] {
            assert_eq!(share.to_string().parse(), Ok(share));
        }
    }

    #[test]
    fn what_is_no_share_is_refused() {
        for text in ["", "1", "0/0", "2/2", "-1/2", "a/b"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
