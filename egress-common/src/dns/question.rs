//! The question's name, reversed.

use super::{
    Outcome, Step,
    message::{HEADER_BYTES, Message},
    walk::POINTER,
};
use crate::{name::LABEL_MAX, opaque::opaque};

/// Bytes of the name that one step reads: a call costs the kernel about 10 ns, a byte far less.
const CHUNK: u32 = 16;
/// Steps that the longest name takes (255 bytes on the wire, RFC 1035 section 2.3.4).
pub const CHUNKS: u32 = 256 / CHUNK;
/// Bits of an offset of a name.
const INDEX_MASK: u32 = 0xff;
/// Highest offset of the byte that ends a name.
const END_MAX: u32 = 254;

/// Reads up to sixteen bytes of the question's name from byte `chunk * 16` on.
///
/// Written backwards, the name's first length byte becomes the NUL at the end of the reversed name,
/// every other length byte a dot. On the way the name's hash is made.
#[inline(always)]
pub fn question_step(message: &mut Message, chunk: u32) -> Step {
    let mut label_left = message.label_left;
    let mut hash = message.hash;
    let len = message.len;
    for k in 0..CHUNK {
        // LLVM may put the two together by an `or`, of which Linux 6.1 knows no bounds.
        let i = opaque(u64::from(chunk * CHUNK + k)) as u32 & INDEX_MASK;
        let at = HEADER_BYTES + i;
        if at >= len {
            return Step::Bad(Outcome::CutOff);
        }
        if i > END_MAX {
            return Step::Bad(Outcome::BadLabel);
        }
        let byte = message.byte(at, 0);
        if label_left == 0 {
            if byte == 0 {
                message.name_len = i;
                message.at = at + 1;
                message.name_hash = hash.finish();
                return Step::Done;
            }
            // A question is the first name of a message, so it has nothing to point to.
            if u32::from(byte) >= POINTER {
                return Step::Bad(Outcome::BadPointer);
            }
            if u32::from(byte) > LABEL_MAX as u32 {
                return Step::Bad(Outcome::BadLabel);
            }
            label_left = u32::from(byte);
            message.put_reversed(i, if i == 0 { 0 } else { b'.' });
        } else {
            // A dot or NUL inside a label would make the name look like another one.
            if byte == b'.' || byte == 0 {
                return Step::Bad(Outcome::BadLabel);
            }
            label_left -= 1;
            message.put_reversed(i, byte.to_ascii_lowercase());
        }
        hash.add(byte);
    }
    message.label_left = label_left;
    message.hash = hash;
    Step::More
}

/// Writes sixteen bytes of the beginning of the question's name, from byte `chunk * 16` on.
#[inline(always)]
pub fn beginning_step(message: &mut Message, chunk: u32) {
    for k in 0..CHUNK {
        message.put_beginning(chunk * CHUNK + k);
    }
}

/// How many such steps a head takes.
#[inline(always)]
pub const fn beginning_steps(longest: u8) -> u32 {
    (longest as u32).div_ceil(CHUNK)
}
