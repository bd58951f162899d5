//! What of an answer the kernel is told.
//!
//! In: an answer as bytes and as it was read. Out: messages of a length that the kernel takes, which together
//! teach what the answer does: the answer itself, or pieces of a long one, each with all its aliases.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Record, RecordType},
};

use crate::dataplane::teach::ANSWER_MAX;

/// The messages; none of an answer that has no addresses.
pub(super) fn lessons(bytes: &[u8], answer: &Message) -> Vec<Vec<u8>> {
    let metadata = &answer.metadata;
    if metadata.response_code != ResponseCode::NoError || metadata.truncation {
        return Vec::new();
    }
    let (teaching, rest): (Vec<_>, Vec<_>) = answer.answers.iter().cloned().partition(teaches);
    if teaching.is_empty() {
        return Vec::new();
    }
    if bytes.len() <= ANSWER_MAX {
        return vec![bytes.to_vec()];
    }
    let aliases: Vec<_> = rest.into_iter().filter(is_alias).collect();
    let mut pieces = Vec::new();
    cut(answer, &aliases, &teaching, &mut pieces);
    pieces
}

fn teaches(record: &Record) -> bool {
    matches!(
        record.record_type(),
        RecordType::A | RecordType::AAAA | RecordType::HTTPS | RecordType::SVCB
    )
}

fn is_alias(record: &Record) -> bool {
    matches!(record.record_type(), RecordType::CNAME)
}

/// Halves what is too long. A record that is too long with the aliases alone teaches nothing.
fn cut(answer: &Message, aliases: &[Record], teaching: &[Record], pieces: &mut Vec<Vec<u8>>) {
    let mut piece = Message::response(answer.metadata.id, answer.metadata.op_code);
    piece.add_queries(answer.queries.iter().cloned());
    piece.add_answers(aliases.iter().cloned());
    piece.add_answers(teaching.iter().cloned());
    match piece.to_vec() {
        Ok(bytes) if bytes.len() <= ANSWER_MAX => pieces.push(bytes),
        _ if teaching.len() < 2 => {}
        _ => {
            let (first, second) = teaching.split_at(teaching.len() / 2);
            cut(answer, aliases, first, pieces);
            cut(answer, aliases, second, pieces);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hickory_proto::{
        op::{OpCode, Query},
        rr::{
            Name, RData,
            rdata::{A, CNAME, TXT},
        },
    };

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn answer(addresses: u32) -> Message {
        let mut message = Message::response(7, OpCode::Query);
        message.add_query(Query::query(name("x.example."), RecordType::A));
        let alias = RData::CNAME(CNAME(name("y.example.")));
        message.add_answer(Record::from_rdata(name("x.example."), 60, alias));
        for i in 0..addresses {
            let data = RData::A(A(Ipv4Addr::from_bits(0xc633_6400 + i)));
            message.add_answer(Record::from_rdata(name("y.example."), 60, data));
        }
        message
    }

    fn told(message: &Message) -> Vec<Vec<u8>> {
        lessons(&message.to_vec().unwrap(), message)
    }

    #[test]
    fn a_short_answer_is_told_as_it_is() {
        let message = answer(3);
        assert_eq!(told(&message), [message.to_vec().unwrap()]);
    }

    #[test]
    fn pieces_of_a_long_one_teach_all_of_it() {
        let message = answer(3_000);
        let pieces = told(&message);
        assert!(pieces.len() > 10, "{} pieces", pieces.len());
        let mut addresses = Vec::new();
        for piece in &pieces {
            assert!(piece.len() <= ANSWER_MAX);
            let piece = Message::from_vec(piece).unwrap();
            assert_eq!(piece.queries, message.queries);
            assert_eq!(piece.answers.first(), message.answers.first());
            addresses.extend(piece.answers.into_iter().skip(1));
        }
        assert_eq!(addresses, message.answers[1..]);
    }

    #[test]
    fn what_does_not_teach_is_not_told() {
        let mut refused = answer(1);
        refused.metadata.response_code = ResponseCode::NXDomain;
        let mut truncated = answer(1);
        truncated.metadata.truncation = true;
        let mut text = answer(0);
        let data = RData::TXT(TXT::new(vec!["a".repeat(255)]));
        text.add_answer(Record::from_rdata(name("y.example."), 60, data));
        for message in [refused, truncated, answer(0), text] {
            assert!(told(&message).is_empty());
        }
    }
}
