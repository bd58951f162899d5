//! The records of an answer: addresses and their TTLs.

use super::{
    Step,
    message::{Found, HEADER_BYTES, Message},
};
use crate::name::LABEL_MAX;

/// Labels and records of one message that are read; a message with more is malformed.
pub const RECORD_STEPS: u32 = 1024;

/// Bytes of a record between its owner and its data (RFC 1035 section 4.1.3).
const FIXED_BYTES: u32 = 10;
const TYPE_A: u32 = 1;
const TYPE_AAAA: u32 = 28;
const CLASS_IN: u32 = 1;
/// The two high bits of a compression pointer's first byte (RFC 1035 section 4.1.4).
const POINTER: u32 = 0xc0;

/// Reads one label of the owner's name, and behind the last one the record itself.
#[inline(always)]
pub fn record_step(message: &mut Message) -> Step {
    let at = message.at;
    if at >= message.len {
        return Step::Bad;
    }
    let byte = u32::from(message.byte(at, 0));
    if byte >= POINTER {
        let target = (byte & !POINTER) << 8 | u32::from(message.byte(at, 1));
        // A pointer leads to a prior name; whatever is behind it was read before.
        if at + 2 > message.len || target < HEADER_BYTES || target >= at {
            return Step::Bad;
        }
        return record(message, at + 2);
    }
    if byte > LABEL_MAX as u32 {
        return Step::Bad;
    }
    if byte != 0 {
        message.at = at + 1 + byte;
        return Step::More;
    }
    record(message, at + 1)
}

/// Reads a record from behind its owner's name on.
#[inline(always)]
fn record(message: &mut Message, at: u32) -> Step {
    let data = at + FIXED_BYTES;
    if data > message.len {
        return Step::Bad;
    }
    let kind = message.be16(at, 0);
    let class = message.be16(at, 2);
    let ttl = ttl(message.be32(at, 4));
    let data_len = message.be16(at, 8);
    let end = data + data_len;
    if end > message.len {
        return Step::Bad;
    }
    if message.records_left > message.others && class == CLASS_IN {
        match (kind, data_len) {
            (TYPE_A, 4) => {
                let addr = message.v4(data);
                message.push(Found { addr, ttl });
            }
            (TYPE_AAAA, 16) => {
                let addr = message.v6(data);
                // An IPv4-mapped address would teach an address of the other family.
                if addr.is_v4() {
                    return Step::Bad;
                }
                let addr = addr.learned_as();
                message.push(Found { addr, ttl });
            }
            (TYPE_A | TYPE_AAAA, _) => return Step::Bad,
            _ => {}
        }
    }
    message.at = end;
    message.records_left = message.records_left.wrapping_sub(1);
    if message.records_left != 0 {
        return Step::More;
    }
    if end == message.len {
        Step::Done
    } else {
        Step::Bad
    }
}

/// A TTL with the high bit set counts as 0 (RFC 2181 section 8).
#[inline(always)]
const fn ttl(raw: u32) -> u32 {
    if raw > i32::MAX as u32 { 0 } else { raw }
}
