//! Options of IPv4 (RFC 791 section 3.1).
//!
//! In: the bytes between header and payload. Out: the [`Reason`] that settles the packet, if there is
//! one: source routing, which names another destination than the header does (RFC 7126 section 4.3), or
//! lengths that lie. All other options are as good as none.

use crate::verdict::Reason;

/// Most bytes that options can have: 15 words of header without the first five.
pub const OPTIONS_MAX: usize = 40;

/// Options as a copy; behind their end stand zeros, which end them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The bytes, and slack so that every masked place lies inside.
    pub bytes: [u8; 64],
    /// How many of them are options.
    pub len: u32,
}

/// Marks a step that ended the reading, above the number of the reason.
const END: u32 = 1 << 16;
/// In place of a reason's number where there is none.
const SOUND: u32 = 0xff;

/// What a step returns that could not read.
pub const REFUSED: u32 = END | Reason::Malformed as u32;

/// What is wrong with options; `step` is [`step`], called as the caller can.
///
/// # Errors
/// The reason that settles the packet.
#[inline(always)]
pub fn check(options: &Options, step: impl Fn(&Options, u32) -> u32) -> Result<(), Reason> {
    let mut at = 0;
    // Every option has at least one byte.
    for _ in 0..=OPTIONS_MAX {
        let code = step(options, at);
        if code & END != 0 {
            return match code & 0xff {
                SOUND => Ok(()),
                number => Err(Reason::from_number(number as u8)),
            };
        }
        at = code;
    }
    Err(Reason::Malformed)
}

/// Reads the option at `at`: where the next one begins, or the end.
#[inline(always)]
pub fn step(options: &Options, at: u32) -> u32 {
    const END_OF_LIST: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const LOOSE_SOURCE_ROUTE: u8 = 131;
    const STRICT_SOURCE_ROUTE: u8 = 137;

    let refused = |reason: Reason| END | reason as u32;
    if at >= options.len {
        return END | SOUND;
    }
    match options.at(at) {
        END_OF_LIST => END | SOUND,
        NO_OPERATION => at + 1,
        LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => refused(Reason::SourceRoute),
        _ => {
            let next = at + u32::from(options.at(at + 1));
            if next < at + 2 || next > options.len {
                return refused(Reason::Malformed);
            }
            next
        }
    }
}

impl Options {
    /// None.
    pub const NONE: Self = Self {
        bytes: [0; 64],
        len: 0,
    };

    #[inline(always)]
    fn at(&self, at: u32) -> u8 {
        let bytes = &self.bytes;
        let place = (at & 63) as usize;
        // Never out of bounds: the mask is in the array.
        bytes.get(place).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use core::cell::Cell;

    use super::*;

    #[test]
    fn options_are_read_to_their_end() {
        let table: [(&str, &[u8], Result<(), Reason>); 15] = [
            ("none", &[], Ok(())),
            ("padding", &[1; 40], Ok(())),
            ("record route", &[7, 7, 4, 0, 0, 0, 0, 0], Ok(())),
            ("router alert", &[148, 4, 0, 0], Ok(())),
            (
                "loose source routing",
                &[131, 7, 4, 9, 9, 9, 9, 0],
                Err(Reason::SourceRoute),
            ),
            (
                "strict, behind padding",
                &[1, 137, 3, 4],
                Err(Reason::SourceRoute),
            ),
            (
                "behind another one",
                &[148, 4, 0, 0, 131, 3, 4, 0],
                Err(Reason::SourceRoute),
            ),
            (
                "behind the end, where nobody reads",
                &[0, 131, 3, 4],
                Ok(()),
            ),
            ("a length of 0", &[7, 0, 4, 0], Err(Reason::Malformed)),
            ("a length of 1", &[7, 1, 4, 0], Err(Reason::Malformed)),
            (
                "a length of 1 in front of what is sound",
                &[7, 1, 1, 0],
                Err(Reason::Malformed),
            ),
            ("no data", &[7, 2, 0, 0], Ok(())),
            (
                "behind much padding",
                &[1, 1, 1, 1, 1, 7, 3, 4, 0, 0, 0, 0],
                Ok(()),
            ),
            ("beyond the header", &[7, 5, 4, 0], Err(Reason::Malformed)),
            ("without its length", &[1, 1, 1, 7], Err(Reason::Malformed)),
        ];
        for (what, bytes, expected) in table {
            let mut options = Options::NONE;
            options.bytes[..bytes.len()].copy_from_slice(bytes);
            options.len = bytes.len() as u32;
            assert_eq!(check(&options, step), expected, "{what}");
        }
    }

    #[test]
    fn a_step_that_cannot_read_is_the_last_one() {
        let steps = Cell::new(0);
        let refused = |_: &Options, _| {
            steps.set(steps.get() + 1);
            REFUSED
        };
        assert_eq!(check(&Options::NONE, refused), Err(Reason::Malformed));
        assert_eq!(steps.get(), 1);
    }
}
