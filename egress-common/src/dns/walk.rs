//! Reading a name of a record, compressed or not.
//!
//! A pointer leads to an earlier run of labels, and that run must end before the one that pointed to it:
//! so every step leads backwards, and no name leads in a circle (RFC 1035 section 4.1.4).

use super::{
    Outcome, Step,
    hash::NameHash,
    message::{HEADER_BYTES, Message},
};
use crate::name::LABEL_MAX;

/// Bytes that one step reads: a call costs the kernel about 10 ns, a byte far less.
const CHUNK: u32 = 16;
/// Most bytes of a name without the 0 at its end (255 with it, RFC 1035 section 2.3.4).
pub(super) const BYTES_MAX: u32 = 254;
/// The two high bits of a pointer's first byte.
pub(super) const POINTER: u32 = 0xc0;

/// Where the reading of a name stands.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Walk {
    hash: NameHash,
    /// Where the name began.
    name_at: u32,
    /// The next byte.
    at: u32,
    /// Where the run of labels began.
    run: u32,
    /// Where it must have ended.
    end: u32,
    /// Where the record goes on behind the name; 0 until a pointer was read.
    after: u32,
    /// Bytes left of the label.
    label_left: u32,
    /// Bytes of the name so far.
    bytes: u32,
}

impl Walk {
    /// Before a name at `at`, whose bytes end before `end`; all names of a message begin with one seed.
    #[inline(always)]
    pub(super) const fn new(seed: u64, at: u32, end: u32) -> Self {
        Self {
            hash: NameHash::new(seed),
            name_at: at,
            at,
            run: at,
            end,
            after: 0,
            label_left: 0,
            bytes: 0,
        }
    }
}

/// Number of the name at `at` that is nothing but a pointer to one that was read before; the message then
/// stands behind it.
#[inline(always)]
pub(super) fn known(message: &mut Message, at: u32) -> Option<u32> {
    let pointer = message.be16(at, 0);
    let behind = at + 2;
    if pointer < POINTER << 8 || behind > message.len {
        return None;
    }
    let number = message.names.read_at(pointer & 0x3fff)?;
    message.at = behind;
    Some(number)
}

/// Reads up to sixteen bytes of a name, or a pointer. When it is done, the message stands behind the name,
/// and its number stands in the record.
#[inline(always)]
pub(super) fn name_step(message: &mut Message) -> Step {
    let Walk {
        mut hash,
        at,
        end,
        mut label_left,
        bytes,
        ..
    } = message.walk;
    if at >= end || bytes > BYTES_MAX {
        return short(message, bytes);
    }
    // The 0 at the end may be one more than the bytes that count.
    let left = (end - at).min(BYTES_MAX + 1 - bytes);
    for k in 0..CHUNK {
        if k >= left {
            return short(message, bytes + k);
        }
        let byte = message.byte(at, k as usize);
        if label_left != 0 {
            // A dot or NUL inside a label would make the name look like another one.
            if byte == b'.' || byte == 0 {
                return Step::Bad(Outcome::BadLabel);
            }
            label_left -= 1;
        } else if byte == 0 || u32::from(byte) >= POINTER {
            message.walk.hash = hash;
            message.walk.bytes = bytes + k;
            return label_end(message, at + k, byte);
        } else if u32::from(byte) > LABEL_MAX as u32 {
            return Step::Bad(Outcome::BadLabel);
        } else {
            label_left = u32::from(byte);
        }
        hash.add(byte);
    }
    message.walk.hash = hash;
    message.walk.at = at + CHUNK;
    message.walk.label_left = label_left;
    message.walk.bytes = bytes + CHUNK;
    Step::More
}

/// Why a name cannot go on of which so many bytes were read: it is too long, a pointer led to what does not end
/// before it, or the message or the record ends.
#[inline(always)]
fn short(message: &Message, bytes: u32) -> Step {
    let Walk { end, after, .. } = message.walk;
    Step::Bad(if bytes > BYTES_MAX {
        Outcome::BadLabel
    } else if after != 0 {
        Outcome::BadPointer
    } else if end == message.len {
        Outcome::CutOff
    } else {
        Outcome::WrongLength
    })
}

/// Ends a run of labels at `at`, by a pointer or by the 0 that ends the name.
#[inline(always)]
fn label_end(message: &mut Message, at: u32, byte: u8) -> Step {
    if byte != 0 {
        return follow(message, at);
    }
    let Walk {
        hash,
        name_at,
        after,
        ..
    } = message.walk;
    message.at = match after {
        0 => at + 1,
        after => after,
    };
    match message.names.number(hash.finish(), name_at) {
        Some(number) => {
            message.record.number = number;
            Step::Done
        }
        None => Step::TooMany,
    }
}

/// Goes on where the pointer at `at` leads.
#[inline(always)]
fn follow(message: &mut Message, at: u32) -> Step {
    let behind = at + 2;
    let target = message.be16(at, 0) & 0x3fff;
    let run = message.walk.run;
    if behind > message.len {
        return Step::Bad(Outcome::CutOff);
    }
    if target < HEADER_BYTES || target >= run {
        return Step::Bad(Outcome::BadPointer);
    }
    if message.walk.after == 0 {
        message.walk.after = behind;
    }
    message.walk.end = run;
    message.walk.run = target;
    message.walk.at = target;
    message.walk.label_left = 0;
    Step::More
}
