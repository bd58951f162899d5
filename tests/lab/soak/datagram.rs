//! One datagram of the soak as bytes: which way it goes, what was promised when it left, and which one it is.

use super::way::{Promise, Way};

/// Bytes of one.
pub const BYTES: usize = 10;
/// In place of a number where it may get lost: a link is down, or the policy changes.
const UNWATCHED: u64 = u64::MAX;

/// A datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    pub way: Way,
    pub promise: Promise,
    /// Which one of its way, where it must arrive.
    pub number: Option<u64>,
}

impl Datagram {
    pub fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [self.way as u8; BYTES];
        bytes[1] = self.promise as u8;
        let number = self.number.unwrap_or(UNWATCHED);
        bytes[2..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [way, promise, number @ ..] = bytes else {
            return None;
        };
        let number = u64::from_be_bytes(number.try_into().ok()?);
        Some(Self {
            way: *Way::ALL.get(usize::from(*way))?,
            promise: *Promise::ALL.get(usize::from(*promise))?,
            number: (number != UNWATCHED).then_some(number),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for way in Way::ALL {
            for promise in Promise::ALL {
                for number in [None, Some(0), Some(7_000_000_000)] {
                    let datagram = Datagram {
                        way,
                        promise,
                        number,
                    };
                    assert_eq!(Datagram::read(&datagram.to_bytes()), Some(datagram));
                }
            }
        }
        for foreign in [&[][..], &[0; 9], &[99; 10], &[0, 9, 0, 0, 0, 0, 0, 0, 0, 0]] {
            assert_eq!(Datagram::read(foreign), None, "{foreign:?}");
        }
    }
}
