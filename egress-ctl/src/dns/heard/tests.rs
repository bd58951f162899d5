//! Answers as records of the ring buffer, and what is read of them.

use hickory_proto::{
    op::{OpCode, Query},
    rr::{
        RecordType,
        rdata::{
            A, AAAA, CNAME, HTTPS,
            svcb::{IpHint, SvcParamKey},
        },
    },
};

use super::*;

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), 300, data)
}

fn alias(owner: &str, target: &str) -> Record {
    record(owner, RData::CNAME(CNAME(name(target))))
}

fn addr(owner: &str, addr: &str) -> Record {
    let data = match addr.parse().unwrap() {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    };
    record(owner, data)
}

/// A record of the ring: an answer to a question for `asked`.
fn lesson(asked: &str, answers: Vec<Record>) -> Vec<u8> {
    let mut message = Message::response(7, OpCode::Query);
    message.add_query(Query::query(name(asked), RecordType::A));
    for answer in answers {
        message.add_answer(answer);
    }
    let bytes = message.to_vec().unwrap();
    let client: IpAddr = "10.0.0.2".parse().unwrap();
    let head = Head {
        at_ms: 5000,
        client: client.into(),
        pattern: 3,
        len: bytes.len() as u32,
        ..Head::NONE
    };
    // SAFETY: the head is integers only, without padding.
    let head = unsafe { std::mem::transmute::<Head, [u8; HEAD_BYTES]>(head) };
    [&head[..], &bytes].concat()
}

fn heard(asked: &str, answers: Vec<Record>) -> (String, Vec<String>, Vec<String>) {
    let heard = hear(&lesson(asked, answers)).unwrap();
    assert_eq!((heard.at_ms, heard.pattern), (5000, 3));
    assert_eq!(heard.client.to_string(), "10.0.0.2");
    let addresses = heard.addresses.iter();
    let addresses = addresses.map(|(addr, ttl)| format!("{addr} {ttl}"));
    (heard.name, heard.chain, addresses.collect())
}

#[test]
fn an_answer_is_read_along_its_aliases() {
    let (name, chain, addresses) = heard(
        "WWW.Example.org",
        vec![
            alias("edge.example.net", "node.example.net"),
            alias("www.example.org", "edge.example.net"),
            addr("node.example.net", "203.0.113.7"),
            addr("NODE.example.net", "2001:db8::7"),
            addr("stray.example.net", "203.0.113.99"),
        ],
    );
    assert_eq!(name, "www.example.org");
    assert_eq!(chain, ["edge.example.net", "node.example.net"]);
    assert_eq!(addresses, ["203.0.113.7 300", "2001:db8::7 300"]);
}

#[test]
fn aliases_in_a_circle_end() {
    let circle = vec![
        alias("a.example", "b.example"),
        alias("b.example", "a.example"),
    ];
    assert_eq!(heard("a.example", circle).1, ["b.example"]);
}

#[test]
fn a_long_chain_is_followed_and_its_beginning_kept() {
    let mut answers: Vec<_> = (0..20)
        .map(|i| alias(&format!("n{i}.example"), &format!("n{}.example", i + 1)))
        .collect();
    answers.push(addr("n20.example", "203.0.113.7"));
    let (_, chain, addresses) = heard("n0.example", answers);
    assert_eq!((chain.len(), addresses.len()), (CHAIN_MAX, 1));
}

#[test]
fn hints_of_a_service_are_addresses() {
    let hint = vec![(
        SvcParamKey::Ipv4Hint,
        SvcParamValue::Ipv4Hint(IpHint(vec![A("203.0.113.8".parse().unwrap())])),
    )];
    let service = HTTPS(SVCB::new(1, Name::root(), hint));
    let (_, _, addresses) = heard(
        "a.example",
        vec![record("a.example", RData::HTTPS(service))],
    );
    assert_eq!(addresses, ["203.0.113.8 300"]);
}

#[test]
fn an_address_is_the_one_that_packets_are_judged_by() {
    let behind_nat64 = vec![addr("a.example", "64:ff9b::cb00:7109")];
    assert_eq!(heard("a.example", behind_nat64).2, ["203.0.113.9 300"]);
}

#[test]
fn what_is_no_record_is_an_error() {
    let whole = lesson("a.example", Vec::new());
    assert!(hear(&whole).is_ok());
    assert!(matches!(hear(&whole[..40]), Err(HearError::Record(40))));
    let mut damaged = whole.clone();
    damaged[HEAD_BYTES + 12] = 0xff;
    assert!(matches!(hear(&damaged), Err(HearError::Message { .. })));
    assert!(matches!(hear(&[]), Err(HearError::Record(0))));
}
