//! Any bytes as a DNS query: one that the kernel's reader notes is one that hickory-proto reads, with the same
//! id, name and type.

#![no_main]

use egress_common::dns::{Direct, message::Message, query::read_query};
use hickory_proto::op::{Header, MessageType, OpCode, Query};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use libfuzzer_sys::fuzz_target;

const LONGEST: usize = 4096;

fuzz_target!(|bytes: &[u8]| {
    if bytes.len() > LONGEST {
        return;
    }
    let mut message = Box::new(Message::new());
    message.fill(bytes);
    if !read_query::<Direct>(&mut message) {
        return;
    }
    let mut decoder = BinDecoder::new(bytes);
    let header = Header::read(&mut decoder).expect("a header that is whole");
    assert_eq!(header.metadata.message_type, MessageType::Query);
    assert_eq!(header.metadata.op_code, OpCode::Query);
    assert_eq!(header.counts.queries, 1);
    assert_eq!(header.metadata.id, message.id());
    let question = Query::read(&mut decoder).expect("a question that is whole");
    assert_eq!(u16::from(question.query_type()), message.question_type());
    let labels = question.name().iter().map(<[u8]>::to_ascii_lowercase);
    let labels: Vec<_> = labels.collect();
    let reversed = message.reversed_name().iter().rev().skip(1);
    let name: Vec<u8> = reversed.copied().collect();
    assert_eq!(name.to_ascii_lowercase(), labels.join(&b'.'));
});
