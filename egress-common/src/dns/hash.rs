//! A name as one number, so that names are compared without reading them twice.
//!
//! In: the bytes of a name as they stand on the wire, each label behind its length, without the 0 that
//! ends the last one. Out: 64 bits, the same for names that differ in case alone.

/// What hashes of names begin with where nobody could prepare two names of one hash; the kernel has a seed of
/// its own.
pub const NAME_SEED: u64 = 0x243f_6a88_85a3_08d3;

/// The hash of a name of which some bytes were read.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameHash(u64);

impl NameHash {
    /// No byte was read yet. Hashes of two seeds have nothing to do with each other.
    #[inline(always)]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Adds a byte: the length of a label, which is no letter, or one of its characters.
    #[inline(always)]
    pub const fn add(&mut self, byte: u8) {
        /// 2^64 divided by the golden ratio, made odd: no two bytes undo each other.
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

        self.0 = (self.0 ^ byte.to_ascii_lowercase() as u64).wrapping_mul(FACTOR);
    }

    /// The hash of the bytes so far. A factor moves bits upwards only: this brings them down again (the
    /// finalizer of SplitMix64).
    #[inline(always)]
    pub const fn finish(self) -> u64 {
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn hash(seed: u64, name: &[u8]) -> u64 {
        let mut hash = NameHash::new(seed);
        for byte in name {
            hash.add(*byte);
        }
        hash.finish()
    }

    #[test]
    fn case_does_not_matter_and_all_else_does() {
        let name = hash(NAME_SEED, b"\x05login\x04live\x03com");
        assert_eq!(hash(NAME_SEED, b"\x05LoGiN\x04liVE\x03COM"), name);
        let others: [&[u8]; 6] = [
            b"",
            b"\x05login\x04live",
            b"\x05login\x04live\x03con",
            b"\x0alogin\x04live\x03com",
            b"\x04live\x03com",
            b"\x04live\x05login\x03com",
        ];
        for other in others {
            assert_ne!(hash(NAME_SEED, other), name, "{other:?}");
        }
        assert_ne!(hash(NAME_SEED + 1, b"\x05login\x04live\x03com"), name);
    }

    #[test]
    fn bits_are_mixed_as_by_the_finalizer_of_splitmix64() {
        // What the generator gives first of all from the seed 0: its states are multiples of the factor.
        let table = [
            (0x9e37_79b9_7f4a_7c15, 0xe220_a839_7b1d_cdaf),
            (0x3c6e_f372_fe94_f82a, 0x6e78_9e6a_a1b9_65f4),
            (0xdaa6_6d2c_7ddf_743f, 0x06c4_5d18_8009_454f),
        ];
        for (state, expected) in table {
            assert_eq!(NameHash::new(state).finish(), expected, "{state:x}");
        }
    }

    #[test]
    fn names_that_hardly_differ_have_hashes_of_their_own() {
        let mut seen = HashSet::new();
        for a in b'a'..=b'z' {
            for b in b'-'..=b'9' {
                for c in 1..=63 {
                    let name = [3, a, b, b'x', 2, b'a', c, 1, b'y'];
                    assert!(seen.insert(hash(NAME_SEED, &name)), "{name:?}");
                }
            }
        }
    }
}
