//! Who may ask for what.

use core::cell::RefCell;

use super::*;
use crate::{
    dns::message::MESSAGE_MAX,
    judge::world::{EMPTY, GROUP, World, policy},
    parse::{
        frame::{L3, L4, edit, ipv4, tcp, udp},
        parse,
    },
};

#[test]
fn numbers_of_policies() {
    for policy in DnsPolicy::ALL {
        assert_eq!(DnsPolicy::from_number(policy as u32), policy);
    }
    assert_eq!(DnsPolicy::from_number(9), DnsPolicy::Strict);
    let names = DnsPolicy::ALL.map(DnsPolicy::name);
    assert_eq!(names, ["watch", "trusted-only", "strict"]);
}

#[test]
fn only_strict_groups_are_looked_up() {
    let flow = parse(&ipv4(17, &udp(8, &[]))[..]).expect("a query").flow;
    let alone = Verdict::because(Reason::Resolver);
    let refused = Verdict::because(Reason::DnsNameRefused).of_group(GROUP);
    let strict = World {
        marks: mark::RESOLVER,
        policy: policy(Mode::Enforce, DnsPolicy::Strict),
        ..EMPTY
    };
    let with = |policy| World {
        policy,
        ..strict.clone()
    };
    for (what, world, may_ask, expected) in [
        ("a name that it may use", strict.clone(), Some(true), alone),
        ("another one", strict.clone(), Some(false), refused),
        (
            "of the gateway's resolver",
            World {
                marks: mark::LOCAL_RESOLVER,
                ..strict.clone()
            },
            Some(false),
            refused,
        ),
        (
            "in audit",
            with(policy(Mode::Audit, DnsPolicy::Strict)),
            Some(false),
            refused,
        ),
        (
            "a resolver that teaches nothing",
            World {
                marks: mark::GATEWAY,
                ..strict.clone()
            },
            None,
            alone,
        ),
        (
            "nobody's client",
            World {
                group: None,
                ..strict.clone()
            },
            None,
            alone,
        ),
        ("a group without a policy", with(None), None, alone),
        (
            "a group that is not judged",
            with(policy(Mode::Off, DnsPolicy::Strict)),
            None,
            alone,
        ),
        (
            "a group that is not strict",
            with(policy(Mode::Enforce, DnsPolicy::TrustedOnly)),
            None,
            alone,
        ),
    ] {
        let mut asked = None;
        let verdict = of_query(&flow, alone, &world, |group| {
            assert_eq!(group, GROUP, "{what}");
            asked = may_ask;
            may_ask == Some(true)
        });
        assert_eq!((verdict, asked), (expected, may_ask), "{what}");
    }
}

/// A payload whose queries are single bytes: those of `b'x'` may not be asked.
struct Letters {
    bytes: Vec<u8>,
    asked: RefCell<Vec<Vec<u8>>>,
}

impl Queries for Letters {
    fn length(&self, at: usize) -> Option<usize> {
        let length = self.bytes.get(at..at + 2)?;
        Some(usize::from(length[0]) << 8 | usize::from(length[1]))
    }

    fn may_ask(&self, query: Payload) -> bool {
        let query = &self.bytes[query.at..query.at + query.len];
        self.asked.borrow_mut().push(query.to_vec());
        query != b"x"
    }
}

/// Whether all of a payload between other bytes may be asked, and what was looked at.
fn asked(proto: u8, payload: &[u8]) -> (bool, Vec<Vec<u8>>) {
    asked_before(proto, payload, &[0, 1, b'z'])
}

fn asked_before(proto: u8, payload: &[u8], behind: &[u8]) -> (bool, Vec<Vec<u8>>) {
    let letters = Letters {
        bytes: [&[9], payload, behind].concat(),
        asked: RefCell::default(),
    };
    let payload = Payload {
        at: 1,
        len: payload.len(),
    };
    let may = may_all_be_asked(&letters, proto, payload);
    (may, letters.asked.into_inner())
}

#[test]
fn every_query_of_a_segment_counts() {
    let one = |letter| [0, 1, letter];
    let all = |letters: &[u8]| letters.iter().copied().flat_map(one).collect::<Vec<u8>>();
    let looked_at = |letters: &[u8]| letters.iter().map(|letter| vec![*letter]).collect();
    for (what, payload, may, letters) in [
        ("none", Vec::new(), true, &b""[..]),
        ("one", all(b"a"), true, b"a"),
        ("four", all(b"abcd"), true, b"abcd"),
        ("five", all(b"abcde"), false, b"abcd"),
        ("the second may not", all(b"axb"), false, b"ax"),
        ("the last may not", all(b"abcx"), false, b"abcx"),
        (
            "one that goes on",
            [all(b"a"), vec![0, 9, b'b']].concat(),
            false,
            b"a",
        ),
        ("half a length", [all(b"a"), vec![0]].concat(), false, b"a"),
    ] {
        assert_eq!(asked(6, &payload), (may, looked_at(letters)), "{what}");
    }
    let cut_off = asked_before(6, &[0], &[]);
    assert_eq!(cut_off, (false, Vec::new()), "the packet ends in a length");
    assert_eq!(asked(17, b"x"), (false, vec![b"x".to_vec()]));
    assert_eq!(
        asked(17, b"ax"),
        (true, vec![b"ax".to_vec()]),
        "a datagram is one query"
    );
}

#[test]
fn payloads_that_hold_queries() {
    let datagram = |frame: &[u8]| parse(frame).expect("a datagram");
    let of = |frame: &[u8]| payload(frame, &datagram(frame));
    let over_udp = ipv4(17, &udp(11, b"abc"));
    assert_eq!(of(&over_udp), Some(Payload { at: L4 + 8, len: 3 }));
    assert_eq!(
        of(&edit(&over_udp, L4 + 5, &[10])),
        None,
        "of another length"
    );
    let over_tcp = ipv4(6, &[&tcp(5, 0x10)[..], b"abc"].concat());
    assert_eq!(
        of(&over_tcp),
        Some(Payload {
            at: L4 + 20,
            len: 3
        })
    );
    let first = edit(&ipv4(17, &udp(16, &[0; 8])), L3 + 6, &[0x20]);
    assert_eq!(of(&first), None, "a fragment");
}

#[test]
fn queries_are_read_from_the_packet() {
    const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01";
    let packet = [&[0, QUERY.len() as u8], QUERY].concat();
    fn is_it(message: &mut Message) -> bool {
        (message.id(), message.question_type()) == (7, 1)
    }
    fn nobody(_: &mut Message) -> bool {
        false
    }
    type Allows = fn(&mut Message) -> bool;
    let queries = |allows: Allows| Bytes {
        packet: &packet[..],
        allows,
    };
    let whole = Payload {
        at: 2,
        len: QUERY.len(),
    };
    assert_eq!(queries(is_it).length(0), Some(QUERY.len()));
    assert_eq!(queries(is_it).length(packet.len() - 1), None);
    assert!(queries(is_it).may_ask(whole));
    assert!(!queries(nobody).may_ask(whole));
    for (what, payload) in [
        (
            "cut off",
            Payload {
                len: QUERY.len() - 1,
                ..whole
            },
        ),
        (
            "longer than the packet",
            Payload {
                len: QUERY.len() + 1,
                ..whole
            },
        ),
        ("none", Payload { len: 0, ..whole }),
    ] {
        assert!(!queries(is_it).may_ask(payload), "{what}");
    }
    let long = [QUERY, &[0; MESSAGE_MAX]].concat();
    let queries = |len| {
        let packet = &long[..];
        let allows: Allows = is_it;
        Bytes { packet, allows }.may_ask(Payload { at: 0, len })
    };
    assert!(queries(MESSAGE_MAX));
    assert!(!queries(MESSAGE_MAX + 1), "longer than is read");
}
