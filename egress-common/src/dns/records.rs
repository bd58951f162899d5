//! The records of an answer: aliases, and addresses with their owners and TTLs.

use super::{
    Outcome, Step, Steps,
    message::{Found, HEADER_BYTES, Message},
    service,
    walk::{POINTER, Walk, known, name_step},
};
use crate::name::LABEL_MAX;

/// How often records are read on; records and pieces of names of one message that are read are at most
/// 1,024. Two short loops cost the kernel's verifier less than a long one.
pub const RECORD_RUNS: u32 = 32;
/// Records and pieces of names that are read in one go.
const RECORD_STEPS: u32 = 32;

/// Bytes of a record between its owner and its data (RFC 1035 section 4.1.3).
const FIXED_BYTES: u32 = 10;
const TYPE_A: u32 = 1;
const TYPE_CNAME: u32 = 5;
const TYPE_AAAA: u32 = 28;
/// RFC 9460 section 14.1.
const TYPE_SVCB: u32 = 64;
const TYPE_HTTPS: u32 = 65;
const CLASS_IN: u32 = 1;
/// Bytes of an address.
pub(super) const V4_BYTES: u32 = 4;
pub(super) const V6_BYTES: u32 = 16;

/// What the next step reads.
pub(super) mod part {
    /// The owner of an answer.
    pub const OWNER: u32 = 0;
    /// More of a name.
    pub const NAME: u32 = 1;
    /// An answer, from behind its owner on.
    pub const ANSWER: u32 = 2;
    /// What follows the name that the owner is an alias of.
    pub const ALIAS: u32 = 3;
    /// What follows the name at which a service is.
    pub const SERVICE: u32 = 4;
    /// A parameter of a service.
    pub const PARAMETER: u32 = 5;
    /// An address that is a hint.
    pub const HINT: u32 = 6;
    /// The owner of a record that is no answer, of which only the lengths matter.
    pub const OTHER: u32 = 7;
}

/// The record that is being read.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Record {
    /// What the next step reads.
    pub part: u32,
    /// What is read behind the name.
    pub behind_name: u32,
    /// Number of the name that was read last.
    pub number: u32,
    /// Number of the owner's name; of a record that is no answer, where it begins.
    pub owner: u32,
    /// Its TTL, as it says it.
    pub ttl: u32,
    /// Where its data end.
    pub end: u32,
    /// What is known of the service that it describes.
    pub service: service::Service,
}

impl Record {
    pub(super) const fn new() -> Self {
        Self {
            part: part::OWNER,
            behind_name: part::ANSWER,
            number: 0,
            owner: 0,
            ttl: 0,
            end: 0,
            service: service::Service::new(),
        }
    }
}

/// Stands before the first record, behind the question.
#[inline(always)]
pub(super) fn begin(message: &mut Message) {
    message.names.begin(message.name_hash);
    message.unsettled = 0;
    message.record.part = part::OWNER;
}

/// Reads the next pieces of a message, as many as go into one run of [`RECORD_RUNS`].
#[inline(always)]
pub fn record_steps<S: Steps>(message: &mut Message) -> Step {
    for _ in 0..RECORD_STEPS {
        match S::record(message) {
            Step::More => {}
            last => return last,
        }
    }
    Step::More
}

/// Reads sixteen bytes of a name, a record, or a part of one.
#[inline(always)]
pub fn record_step(message: &mut Message) -> Step {
    match message.record.part {
        part::OWNER => {
            let at = message.at;
            match known(message, at) {
                Some(owner) => answer(message, owner),
                None => name(message, at, message.len, part::ANSWER),
            }
        }
        part::NAME => match name_step(message) {
            Step::Done => {
                message.record.part = message.record.behind_name;
                Step::More
            }
            step => step,
        },
        part::ANSWER => answer(message, message.record.number),
        part::ALIAS => alias(message),
        part::SERVICE => service::target(message),
        part::PARAMETER => service::parameter(message),
        part::HINT => service::hint(message),
        _ => other(message),
    }
}

/// Stands before a name whose bytes end before `end`; then comes the part `behind`.
#[inline(always)]
pub(super) fn name(message: &mut Message, at: u32, end: u32, behind: u32) -> Step {
    message.record.part = part::NAME;
    message.record.behind_name = behind;
    message.walk = Walk::new(message.seed, at, end);
    Step::More
}

/// Reads a record of the answer section from behind its owner's name on.
#[inline(always)]
fn answer(message: &mut Message, owner: u32) -> Step {
    let at = message.at;
    let data = at + FIXED_BYTES;
    if data > message.len {
        return Step::Bad(Outcome::CutOff);
    }
    let kind = message.be16(at, 0);
    let class = message.be16(at, 2);
    let data_len = message.be16(at, 8);
    let end = data + data_len;
    if end > message.len {
        return Step::Bad(Outcome::WrongLength);
    }
    if class != CLASS_IN {
        return next(message, end);
    }
    message.record.owner = owner;
    message.record.ttl = message.be32(at, 4);
    message.record.end = end;
    match (kind, data_len) {
        (TYPE_A, V4_BYTES) | (TYPE_AAAA, V6_BYTES) => match found(message, data, data_len) {
            Some(step) => step,
            None => next(message, end),
        },
        (TYPE_A | TYPE_AAAA, _) => Step::Bad(Outcome::WrongLength),
        (TYPE_CNAME, _) => name(message, data, end, part::ALIAS),
        (TYPE_SVCB | TYPE_HTTPS, _) => service::begin(message, data),
        _ => next(message, end),
    }
}

/// The owner is an alias of the name that was just read.
#[inline(always)]
fn alias(message: &mut Message) -> Step {
    let end = message.record.end;
    if message.at != end {
        return Step::Bad(Outcome::WrongLength);
    }
    match link(message) {
        Some(step) => step,
        None => next(message, end),
    }
}

/// Links the record's owner with the name that was just read; a step where the reading ends.
#[inline(always)]
pub(super) fn link(message: &mut Message) -> Option<Step> {
    let Record { owner, number, .. } = message.record;
    match message.names.link(owner, number) {
        Some(is_late) => {
            message.unsettled |= u32::from(is_late);
            None
        }
        None => Some(Step::TooMany),
    }
}

/// Adds the record's address of so many bytes at `at`; a step where the reading ends.
#[inline(always)]
pub(super) fn found(message: &mut Message, at: u32, bytes: u32) -> Option<Step> {
    let addr = match bytes {
        V4_BYTES => message.v4(at),
        _ => {
            let addr = message.v6(at);
            // An IPv4-mapped address would teach an address of the other family.
            if addr.is_v4() {
                return Some(Step::Bad(Outcome::Malformed));
            }
            addr.learned_as()
        }
    };
    let Record { owner, ttl, .. } = message.record;
    if !message.names.is_linked(owner) {
        message.unsettled = 1;
    }
    match message.push(Found { addr, ttl, owner }) {
        true => None,
        false => Some(Step::TooMany),
    }
}

/// Stands before the record that begins at `at`, if there is one.
#[inline(always)]
pub(super) fn next(message: &mut Message, at: u32) -> Step {
    message.records_left = message.records_left.wrapping_sub(1);
    let left = message.records_left;
    if (left == 0) != (at == message.len) {
        return Step::Bad(Outcome::WrongCounts);
    }
    if left == 0 {
        return Step::Done;
    }
    if left > message.others {
        message.record.part = part::OWNER;
    } else {
        message.record.part = part::OTHER;
        message.record.owner = at;
    }
    message.at = at;
    Step::More
}

/// Reads one label of the owner of a record that is no answer, and behind the last one the record's lengths.
#[inline(always)]
fn other(message: &mut Message) -> Step {
    let at = message.at;
    if at >= message.len {
        return Step::Bad(Outcome::CutOff);
    }
    let byte = u32::from(message.byte(at, 0));
    if byte >= POINTER {
        if at + 2 > message.len {
            return Step::Bad(Outcome::CutOff);
        }
        let target = message.be16(at, 0) & 0x3fff;
        if target < HEADER_BYTES || target >= message.record.owner {
            return Step::Bad(Outcome::BadPointer);
        }
        return lengths(message, at + 2);
    }
    if byte > LABEL_MAX as u32 {
        return Step::Bad(Outcome::BadLabel);
    }
    if byte != 0 {
        message.at = at + 1 + byte;
        return Step::More;
    }
    lengths(message, at + 1)
}

#[inline(always)]
fn lengths(message: &mut Message, at: u32) -> Step {
    let data = at + FIXED_BYTES;
    if data > message.len {
        return Step::Bad(Outcome::CutOff);
    }
    let end = data + message.be16(at, 8);
    if end > message.len {
        return Step::Bad(Outcome::WrongLength);
    }
    next(message, end)
}
