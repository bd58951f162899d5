//! The Internet checksum (RFC 1071).
//!
//! In: bytes of headers and of a packet. Out: the two bytes of a checksum field. The sum does not mind
//! the order of bytes, so it adds whole words as they lie in memory.

use crate::packet::{Packet, Wire};

/// A sum of words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

/// Bytes that are added at once.
const CHUNK_BYTES: usize = 32;
/// Most bytes of a packet that are added: what an ICMPv6 error may quote.
const CHUNKS_MAX: usize = 40;

/// More than the words of all bytes that are added.
const NO_SUM: u64 = u64::MAX;

/// Words of a packet.
#[repr(C)]
struct Words<const N: usize>([[u8; 4]; N]);

// SAFETY: repr(C) of bytes.
unsafe impl<const N: usize> Wire for Words<N> {}

impl Sum {
    /// With a word more.
    #[inline(always)]
    #[must_use]
    pub const fn word(self, word: u32) -> Self {
        Self(self.0 + word as u64)
    }

    /// With four bytes more.
    #[inline(always)]
    #[must_use]
    pub const fn bytes(self, bytes: [u8; 4]) -> Self {
        self.word(u32::from_ne_bytes(bytes))
    }

    /// With two bytes more, which stand at an even place.
    #[inline(always)]
    #[must_use]
    pub const fn pair(self, bytes: [u8; 2]) -> Self {
        self.word(u16::from_ne_bytes(bytes) as u32)
    }

    /// With an address more.
    #[inline(always)]
    #[must_use]
    pub const fn address(self, [a, b, c, d]: [[u8; 4]; 4]) -> Self {
        self.bytes(a).bytes(b).bytes(c).bytes(d)
    }

    /// With another sum more.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Of `len` bytes of a packet, a multiple of 4; nothing where the packet ends before.
    #[inline(always)]
    pub fn of<P: Packet + ?Sized>(packet: &P, at: usize, len: usize) -> Option<Self> {
        let mut sum = Self(0);
        let mut done = 0;
        for _ in 0..CHUNKS_MAX {
            if len - done < CHUNK_BYTES {
                break;
            }
            let words: &Words<{ CHUNK_BYTES / 4 }> = packet.view(at + done)?;
            for word in words.0 {
                sum = sum.bytes(word);
            }
            done += CHUNK_BYTES;
        }
        for _ in 0..CHUNK_BYTES / 4 {
            if len - done < 4 {
                break;
            }
            let Words([word]): &Words<1> = packet.view(at + done)?;
            sum = sum.bytes(*word);
            done += 4;
        }
        Some(sum)
    }

    /// As a global function returns it; nothing is a word that no sum reaches.
    #[inline(always)]
    pub const fn to_code(sum: Option<Self>) -> u64 {
        match sum {
            Some(sum) => sum.0,
            None => NO_SUM,
        }
    }

    /// From what a global function returned.
    #[inline(always)]
    pub const fn from_code(code: u64) -> Option<Self> {
        match code {
            NO_SUM => None,
            sum => Some(Self(sum)),
        }
    }

    /// The field that makes the sum right.
    #[inline(always)]
    pub const fn field(self) -> [u8; 2] {
        let sum = (self.0 & 0xffff_ffff) + (self.0 >> 32);
        let sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
        let sum = (sum & 0xffff) + (sum >> 16);
        let sum = (sum & 0xffff) + (sum >> 16);
        (!(sum as u16)).to_ne_bytes()
    }
}

/// The bytes with every bit the other way.
#[inline(always)]
const fn complement([first, second]: [u8; 2]) -> [u8; 2] {
    [!first, !second]
}

/// A field of which two bytes at an even place were replaced (RFC 1624 section 3).
#[inline(always)]
pub const fn replaced(field: [u8; 2], old: [u8; 2], new: [u8; 2]) -> [u8; 2] {
    Sum(0)
        .pair(complement(field))
        .pair(complement(old))
        .pair(new)
        .field()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As RFC 1071 section 4.1 writes it.
    fn written(bytes: &[u8]) -> [u8; 2] {
        let (pairs, _) = bytes.as_chunks();
        let mut sum: u32 = pairs
            .iter()
            .map(|pair| u32::from(u16::from_be_bytes(*pair)))
            .sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        (!(sum as u16)).to_be_bytes()
    }

    proptest! {
        #[test]
        fn it_is_the_sum_of_pairs(words in prop::collection::vec(any::<[u8; 4]>(), 0..320)) {
            let bytes = words.concat();
            let sum = Sum::of(&bytes[..], 0, bytes.len());
            prop_assert_eq!(Sum::from_code(Sum::to_code(sum)), sum);
            prop_assert_eq!(sum.unwrap().field(), written(&bytes));
        }
    }

    #[test]
    fn the_largest_sum_does_not_run_over() {
        let bytes = [0xff; CHUNK_BYTES * CHUNKS_MAX];
        let sum = Sum::of(&bytes[..], 0, bytes.len()).unwrap();
        assert_eq!(sum.field(), [0, 0]);
        let none = Sum::of(&bytes[..], 4, bytes.len());
        assert_eq!(none, None);
        assert_eq!(Sum::from_code(Sum::to_code(none)), None);
    }
}
