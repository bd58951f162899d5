//! A whole answer: header, question, records.

use super::{
    CHUNKS, Outcome, RECORD_STEPS, Step, Steps,
    message::{HEADER_BYTES, Message},
};

/// Response, standard query, no error; the flags between them may be anything (RFC 1035 section 4.1.1).
const KIND_MASK: u32 = 0xf80f;
const RESPONSE: u32 = 0x8000;
const TRUNCATED: u32 = 0x0200;
const CLASS_IN: u32 = 1;
/// Bytes of the question behind its name: type and class.
const QUESTION_FIXED_BYTES: u32 = 4;

/// Reads header and question; the reversed name then stands in the message.
///
/// # Errors
/// Why the message cannot teach.
#[inline(always)]
pub fn read_question<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    if message.len < HEADER_BYTES {
        return Err(Outcome::Malformed);
    }
    let flags = message.be16(0, 2);
    if flags & KIND_MASK != RESPONSE {
        return Err(Outcome::NoAnswer);
    }
    if flags & TRUNCATED != 0 {
        return Err(Outcome::Truncated);
    }
    if message.be16(0, 4) != 1 {
        return Err(Outcome::Malformed);
    }
    let answers = message.be16(0, 6);
    if answers == 0 {
        return Err(Outcome::NoAddress);
    }
    message.others = message.be16(0, 8) + message.be16(0, 10);
    message.records_left = answers + message.others;
    message.label_left = 0;
    name::<S>(message)?;
    let fixed = message.at;
    let after = fixed + QUESTION_FIXED_BYTES;
    if after > message.len {
        return Err(Outcome::Malformed);
    }
    if message.be16(fixed, 2) != CLASS_IN {
        return Err(Outcome::NoAnswer);
    }
    message.at = after;
    Ok(())
}

#[inline(always)]
fn name<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    for chunk in 0..CHUNKS {
        match S::question(message, chunk) {
            Step::More => {}
            Step::Done => return Ok(()),
            Step::Bad => return Err(Outcome::Malformed),
        }
    }
    Err(Outcome::Malformed)
}

/// Reads all records behind the question; the addresses of the answer section then stand in the message.
///
/// # Errors
/// Why the message cannot teach.
#[inline(always)]
pub fn read_records<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    for _ in 0..RECORD_STEPS {
        match S::record(message) {
            Step::More => {}
            Step::Done if message.found_len == 0 => return Err(Outcome::NoAddress),
            Step::Done => return Ok(()),
            Step::Bad => return Err(Outcome::Malformed),
        }
    }
    Err(Outcome::Malformed)
}
