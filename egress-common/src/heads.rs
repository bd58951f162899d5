//! What the kernel's tries say of names: by the end of a name which pattern matches it, and where patterns
//! have something before their star, by its beginning which of these do.
//!
//! A name's longest key in the trie of names says which plain pattern is the narrowest that matches it, and
//! which *list of heads* to ask. In the trie of heads the longest head of that list with which the name
//! begins says which pattern, or which meeting of patterns, matches it then.

use crate::name::NAME_KEY_BYTES;

/// Longest head in bytes: a key of the trie of heads begins with the number of a list.
pub const HEAD_MAX: usize = NAME_KEY_BYTES - size_of::<u32>();
/// Lists that one name is looked up in at most.
pub const LISTS_MAX: usize = 8;

/// Bits of a pattern's id.
const PATTERN_BITS: u32 = 24;
const PATTERN_MASK: u64 = (1 << PATTERN_BITS) - 1;
/// Bits of a number of bytes.
const BYTES_BITS: u32 = 8;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;

/// What the trie of names says of the names that end in a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listed {
    /// Id of the narrowest pattern without a head; 0 is none.
    pub pattern: u32,
    /// Number of the list of heads; 0 is none.
    pub heads: u32,
    /// Bytes of its longest head.
    pub longest: u8,
}

/// What the trie of heads says of the names that begin so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headed {
    /// Id of the pattern or the meeting.
    pub pattern: u32,
    /// Bytes of the shortest name that it matches: between head and tail is something.
    pub least: u8,
    /// Number of the list for shorter names; 0 is none.
    pub shorter: u32,
}

impl Listed {
    /// From a value of the trie of names.
    #[inline(always)]
    pub const fn from_value(value: u64) -> Self {
        let (pattern, longest, heads) = parts(value);
        Self {
            pattern,
            heads,
            longest,
        }
    }

    /// As a value of the trie of names.
    pub const fn to_value(self) -> u64 {
        value(self.pattern, self.longest, self.heads)
    }
}

impl Headed {
    /// From a value of the trie of heads.
    #[inline(always)]
    pub const fn from_value(value: u64) -> Self {
        let (pattern, least, shorter) = parts(value);
        Self {
            pattern,
            least,
            shorter,
        }
    }

    /// As a value of the trie of heads.
    pub const fn to_value(self) -> u64 {
        value(self.pattern, self.least, self.shorter)
    }
}

#[inline(always)]
const fn parts(value: u64) -> (u32, u8, u32) {
    let bytes = (value >> PATTERN_BITS & BYTES_MASK) as u8;
    let list = (value >> (PATTERN_BITS + BYTES_BITS)) as u32;
    ((value & PATTERN_MASK) as u32, bytes, list)
}

const fn value(pattern: u32, bytes: u8, list: u32) -> u64 {
    pattern as u64 | (bytes as u64) << PATTERN_BITS | (list as u64) << (PATTERN_BITS + BYTES_BITS)
}

const _: () = assert!(crate::limits::PATTERNS as u64 <= PATTERN_MASK + 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_hold_what_they_are_made_of() {
        let listed = Listed {
            pattern: 65_535,
            heads: u32::MAX,
            longest: 251,
        };
        assert_eq!(Listed::from_value(listed.to_value()), listed);
        let headed = Headed {
            pattern: 1,
            least: 253,
            shorter: 7,
        };
        assert_eq!(Headed::from_value(headed.to_value()), headed);
        assert_eq!(Listed::from_value(0), Listed::default());
    }
}
