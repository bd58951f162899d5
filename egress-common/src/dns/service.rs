//! SVCB and HTTPS records (RFC 9460): other names of the owner, and hints of its addresses.
//!
//! Where a record's priority is 0, it is an alias. Else it describes a service at a target, which is the
//! owner itself where it is written as the root, and hints are addresses of that target.

use super::{
    Outcome, Step,
    message::Message,
    records::{V4_BYTES, V6_BYTES, found, link, name, next, part},
};

/// Bytes of the priority.
const PRIORITY_BYTES: u32 = 2;
/// Bytes of a parameter's key and of its length.
const FIXED_BYTES: u32 = 4;

/// Keys of parameters (RFC 9460 section 14.3.2).
mod key {
    pub const MANDATORY: u32 = 0;
    pub const ALPN: u32 = 1;
    pub const NO_DEFAULT_ALPN: u32 = 2;
    pub const PORT: u32 = 3;
    pub const IPV4_HINT: u32 = 4;
    pub const IPV6_HINT: u32 = 6;
}

/// The record of a service.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Service {
    /// 0: an alias.
    priority: u32,
    /// The lowest key that the next parameter may have.
    least_key: u32,
    /// Where the hints that are being read end.
    hints_end: u32,
    /// Bytes of one.
    hint_bytes: u32,
}

impl Service {
    pub(super) const fn new() -> Self {
        Self {
            priority: 0,
            least_key: 0,
            hints_end: 0,
            hint_bytes: 0,
        }
    }
}

/// Stands before the target of a record whose data begin at `data`.
#[inline(always)]
pub(super) fn begin(message: &mut Message, data: u32) -> Step {
    let end = message.record.end;
    let target = data + PRIORITY_BYTES;
    if target > end {
        return Step::Bad(Outcome::WrongLength);
    }
    message.record.service.priority = message.be16(data, 0);
    message.record.service.least_key = 0;
    name(message, target, end, part::SERVICE)
}

/// The record's target was just read; its parameters follow.
#[inline(always)]
pub(super) fn target(message: &mut Message) -> Step {
    message.record.part = part::PARAMETER;
    if message.names.is_root(message.record.number, message.seed) {
        return Step::More;
    }
    match link(message) {
        Some(step) => step,
        None => Step::More,
    }
}

/// Reads a parameter up to the hints that it holds, or ends the record.
#[inline(always)]
pub(super) fn parameter(message: &mut Message) -> Step {
    let (at, end) = (message.at, message.record.end);
    if at == end {
        return next(message, end);
    }
    let value = at + FIXED_BYTES;
    if value > end {
        return Step::Bad(Outcome::WrongLength);
    }
    let key = message.be16(at, 0);
    let bytes = message.be16(at, 2);
    let behind = value + bytes;
    if behind > end || key < message.record.service.least_key || !fits(key, bytes) {
        return Step::Bad(Outcome::Malformed);
    }
    message.record.service.least_key = key + 1;
    // An alias has no parameters that count.
    let hint_bytes = match key {
        _ if message.record.service.priority == 0 => 0,
        key::IPV4_HINT => V4_BYTES,
        key::IPV6_HINT => V6_BYTES,
        _ => 0,
    };
    if hint_bytes == 0 {
        message.at = behind;
        return Step::More;
    }
    message.record.part = part::HINT;
    message.record.service.hints_end = behind;
    message.record.service.hint_bytes = hint_bytes;
    message.at = value;
    Step::More
}

/// Whether a value has as many bytes as its key asks for.
#[inline(always)]
const fn fits(key: u32, bytes: u32) -> bool {
    match key {
        key::MANDATORY => bytes != 0 && bytes & 1 == 0,
        key::ALPN => bytes != 0,
        key::NO_DEFAULT_ALPN => bytes == 0,
        key::PORT => bytes == 2,
        key::IPV4_HINT => bytes != 0 && bytes & 3 == 0,
        key::IPV6_HINT => bytes != 0 && bytes & 15 == 0,
        _ => true,
    }
}

/// Reads one hint.
#[inline(always)]
pub(super) fn hint(message: &mut Message) -> Step {
    let at = message.at;
    let bytes = message.record.service.hint_bytes;
    if let Some(step) = found(message, at, bytes) {
        return step;
    }
    let behind = at + bytes;
    message.at = behind;
    if behind == message.record.service.hints_end {
        message.record.part = part::PARAMETER;
    }
    Step::More
}
