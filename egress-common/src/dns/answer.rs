//! A whole answer: header, question, records.

use super::{
    CHUNKS, Outcome, RECORD_RUNS, SETTLE_STEPS, Step, Steps,
    hash::NameHash,
    message::{HEADER_BYTES, Message},
    records::begin,
};

/// Response, standard query, no error; the flags between them may be anything (RFC 1035 section 4.1.1).
const KIND_MASK: u32 = 0xf80f;
const RESPONSE: u32 = 0x8000;
const TRUNCATED: u32 = 0x0200;
const CLASS_IN: u32 = 1;
/// Bytes of the question behind its name: type and class.
const QUESTION_FIXED_BYTES: u32 = 4;

/// Reads header and question of an answer; the reversed name then stands in the message.
///
/// # Errors
/// Why the message cannot teach.
#[inline(always)]
pub fn read_question<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    if message.len < HEADER_BYTES {
        return Err(Outcome::CutOff);
    }
    let flags = message.be16(0, 2);
    if flags & KIND_MASK != RESPONSE {
        return Err(Outcome::NoAnswer);
    }
    if flags & TRUNCATED != 0 {
        return Err(Outcome::Truncated);
    }
    if message.be16(0, 4) != 1 {
        return Err(Outcome::WrongQuestions);
    }
    let answers = message.be16(0, 6);
    if answers == 0 {
        return Err(Outcome::NoAddress);
    }
    message.others = message.be16(0, 8) + message.be16(0, 10);
    message.records_left = answers + message.others;
    question::<S>(message)
}

/// Reads the question behind a header that the caller has read: name, type and class.
///
/// # Errors
/// It is malformed, or of another class.
#[inline(always)]
pub fn question<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    message.label_left = 0;
    message.hash = NameHash::new(message.seed);
    name::<S>(message)?;
    let fixed = message.at;
    let after = fixed + QUESTION_FIXED_BYTES;
    if after > message.len {
        return Err(Outcome::CutOff);
    }
    message.question_type = message.be16(fixed, 0);
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
            Step::Bad(flaw) => return Err(flaw),
            Step::TooMany => break,
        }
    }
    Err(Outcome::BadLabel)
}

/// Reads all records behind the question. The addresses of the answer section then stand in the message
/// whose owners are the question's name or an alias of it, over however many aliases in whatever order.
///
/// # Errors
/// Why the message cannot teach.
#[inline(always)]
pub fn read_records<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    if message.at == message.len {
        return Err(Outcome::WrongCounts);
    }
    begin(message);
    records::<S>(message)?;
    if message.unsettled != 0 {
        settle::<S>(message)?;
    }
    match message.found_len {
        0 => Err(Outcome::NoAddress),
        _ => Ok(()),
    }
}

#[inline(always)]
fn records<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    for _ in 0..RECORD_RUNS {
        match S::records(message) {
            Step::More => {}
            Step::Done => return Ok(()),
            Step::Bad(flaw) => return Err(flaw),
            Step::TooMany => return Err(Outcome::TooManyRecords),
        }
    }
    Err(Outcome::TooManyRecords)
}

#[inline(always)]
fn settle<S: Steps>(message: &mut Message) -> Result<(), Outcome> {
    for _ in 0..SETTLE_STEPS {
        if S::settle(message) != Step::More {
            return Ok(());
        }
    }
    Err(Outcome::TooManyRecords)
}

#[cfg(test)]
mod tests {
    use super::super::{Direct, hash::NAME_SEED};
    use super::*;

    fn asked(name: &[u8], kind: u16) -> Message {
        let mut bytes = vec![0, 7, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend(name);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        let mut message = Message::new();
        message.fill(&bytes);
        read_question::<Direct>(&mut message).unwrap();
        message
    }

    #[test]
    fn a_question_has_a_hash_of_its_name_and_a_type() {
        let long = [
            &[63][..],
            &[b'a'; 63],
            &[63],
            &[b'B'; 63],
            &[63],
            &[b'c'; 63],
            &[61],
            &[b'd'; 61],
            &[0],
        ]
        .concat();
        let table: [&[u8]; 3] = [b"\x05Login\x04LIVE\x03com\0", &long, b"\0"];
        for name in table {
            let mut hash = NameHash::new(NAME_SEED);
            for byte in name.split_last().unwrap().1 {
                hash.add(*byte);
            }
            let message = asked(name, 65);
            assert_eq!(message.name_hash(), hash.finish(), "{name:?}");
            assert_eq!(message.question_type(), 65);
            let lower = asked(&name.to_ascii_lowercase(), 1);
            assert_eq!(message.name_hash(), lower.name_hash(), "{name:?}");
        }
    }
}
