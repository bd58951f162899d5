//! Which of a kernel's tests a guest runs, where several guests share them.

use std::fmt::{self, Display, Formatter};

/// One of so many guests; tests/init/share.rs reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    number: usize,
    of: usize,
}

impl Share {
    /// Those of so many guests together, which are at least one.
    pub(crate) fn among(of: usize) -> impl Iterator<Item = Self> {
        let of = of.max(1);
        (0..of).map(move |number| Self { number, of })
    }

    /// What tells guests of one kernel apart in names of files.
    pub(crate) fn number(self) -> usize {
        self.number
    }
}

/// As an argument of the kernel, which hands on to the init what it does not know itself.
impl Display for Share {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "EGRESS_SHARE={}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_share_without_gap() {
        let told = |of| Share::among(of).map(|share| share.to_string());
        assert_eq!(told(0).collect::<Vec<_>>(), ["EGRESS_SHARE=0/1"]);
        assert_eq!(
            told(2).collect::<Vec<_>>(),
            ["EGRESS_SHARE=0/2", "EGRESS_SHARE=1/2"]
        );
    }
}
