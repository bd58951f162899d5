//! Every way through the reader of answers.

use std::collections::HashSet;

use super::{
    message::{ADDRESSES, MESSAGE_MAX, Message},
    wire::{A, AAAA, ASKED, CNAME, HTTPS, IN, RECORDS_AT, SVCB, TXT, Wire},
    *,
};
use crate::flow::Addr;

type Read = Result<Vec<Addr>, Outcome>;

const V4: [u8; 4] = [203, 0, 113, 5];
const OTHER_V4: [u8; 4] = [203, 0, 113, 6];
const V6: [u8; 16] = [0x2a, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];

fn v6(bytes: [u8; 16]) -> Addr {
    let (words, _) = bytes.as_chunks::<4>();
    Addr::v6([words[0], words[1], words[2], words[3]])
}

fn addresses(addresses: &[[u8; 4]]) -> Read {
    Ok(addresses.iter().copied().map(Addr::v4).collect())
}

fn read_all<const N: usize>(table: [(&str, Wire, Read); N]) {
    let mut used = Message::new();
    for (what, wire, expected) in table {
        assert_eq!(wire.read(), expected, "{what}");
        assert_eq!(wire.read_by(&mut used), expected, "{what}, behind others");
    }
}

#[test]
fn headers() {
    let sound = Wire::new().says(ASKED, A, &V4);
    let short = Wire(sound.0[..11].to_vec());
    read_all([
        ("sound", sound.clone(), addresses(&[V4])),
        ("cut off", short, Err(Outcome::CutOff)),
        (
            "cut off in front of its flags",
            Wire(sound.0[..2].to_vec()),
            Err(Outcome::CutOff),
        ),
        (
            "a query's header alone",
            Wire(sound.0[..12].to_vec()).with(2, 0x01),
            Err(Outcome::NoAnswer),
        ),
        (
            "a query",
            sound.clone().with(2, 0x01),
            Err(Outcome::NoAnswer),
        ),
        (
            "another opcode",
            sound.clone().with(2, 0xa9),
            Err(Outcome::NoAnswer),
        ),
        (
            "an error",
            sound.clone().with(3, 0x83),
            Err(Outcome::NoAnswer),
        ),
        (
            "truncated",
            sound.clone().with(2, 0x83),
            Err(Outcome::Truncated),
        ),
        (
            "no question",
            sound.clone().with(5, 0),
            Err(Outcome::WrongQuestions),
        ),
        (
            "two questions",
            sound.clone().with(5, 2),
            Err(Outcome::WrongQuestions),
        ),
        ("no answer", Wire::new(), Err(Outcome::NoAddress)),
        (
            "fewer records than it says",
            sound.clone().with(7, 2),
            Err(Outcome::WrongCounts),
        ),
        (
            "none of those that it says",
            Wire::new().with(7, 1),
            Err(Outcome::WrongCounts),
        ),
        (
            "more records than it says",
            sound.clone().says(ASKED, A, &V4).with(7, 1),
            Err(Outcome::WrongCounts),
        ),
    ]);
}

#[test]
fn questions() {
    let asking = |name: &[u8]| Wire::asking(name).says(ASKED, A, &V4);
    let labels = |lens: &[u8]| {
        let labels = lens.iter().flat_map(|len| {
            let text = vec![b'x'; usize::from(*len)];
            [vec![*len], text].concat()
        });
        labels.chain([0]).collect::<Vec<u8>>()
    };
    read_all([
        ("the root", asking(b"\0"), addresses(&[V4])),
        ("a label of 63", asking(&labels(&[63])), addresses(&[V4])),
        (
            "a label of 64",
            asking(&labels(&[64])),
            Err(Outcome::BadLabel),
        ),
        (
            "255 bytes",
            asking(&labels(&[63, 63, 63, 61])),
            addresses(&[V4]),
        ),
        (
            "256 bytes",
            asking(&labels(&[63, 63, 63, 62])),
            Err(Outcome::BadLabel),
        ),
        ("a pointer", asking(&[0xc0, 12]), Err(Outcome::BadPointer)),
        ("a dot inside", asking(b"\x03a.b\0"), Err(Outcome::BadLabel)),
        (
            "a NUL inside",
            asking(b"\x03a\0b\0"),
            Err(Outcome::BadLabel),
        ),
        (
            "another class",
            Wire::new().says(ASKED, A, &V4).with(20, 3),
            Err(Outcome::NoAnswer),
        ),
        (
            "cut off in its name",
            Wire::new().with(7, 1).cut(6),
            Err(Outcome::CutOff),
        ),
        (
            "cut off behind it",
            Wire::new().with(7, 1).cut(1),
            Err(Outcome::CutOff),
        ),
    ]);
}

#[test]
fn addresses_of_the_name_that_was_asked_for() {
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 5];
    let nat64 = [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, 203, 0, 113, 5];
    let one = |kind, data: &[u8]| Wire::new().says(ASKED, kind, data);
    read_all([
        ("IPv4", one(A, &V4), addresses(&[V4])),
        ("IPv6", one(AAAA, &V6), Ok(vec![v6(V6)])),
        (
            "both",
            one(A, &V4).says(ASKED, AAAA, &V6),
            Ok(vec![Addr::v4(V4), v6(V6)]),
        ),
        ("behind NAT64", one(AAAA, &nat64), addresses(&[V4])),
        ("mapped", one(AAAA, &mapped), Err(Outcome::Malformed)),
        (
            "IPv4 of another length",
            one(A, &V4[..3]),
            Err(Outcome::WrongLength),
        ),
        (
            "IPv6 of another length",
            one(AAAA, &V4),
            Err(Outcome::WrongLength),
        ),
        ("text", one(TXT, b"\x01x"), Err(Outcome::NoAddress)),
        (
            "and a last record without data",
            one(A, &V4).says(ASKED, TXT, b""),
            addresses(&[V4]),
        ),
        (
            "another class",
            Wire::new().and(0, ASKED, (A, 3), &V4),
            Err(Outcome::NoAddress),
        ),
        (
            "in other words",
            Wire::new().says(b"\x01A\xc0\x0e", A, &V4),
            addresses(&[V4]),
        ),
        (
            "cut off in its data",
            one(A, &V4).cut(1),
            Err(Outcome::WrongLength),
        ),
        (
            "cut off in front of it",
            one(A, &V4).cut(5),
            Err(Outcome::CutOff),
        ),
        (
            "of another name",
            Wire::new().says(b"\x01c\0", A, &V4),
            Err(Outcome::NoAddress),
        ),
        (
            "and of another name",
            one(A, &V4).says(b"\x01c\0", A, &OTHER_V4),
            addresses(&[V4]),
        ),
    ]);
}

#[test]
fn names_of_records() {
    // The record's name begins behind the question.
    let at = |name: &[u8]| Wire::new().says(name, A, &V4);
    let points = |low| at(&[0xc0, low]);
    let cut = |name: &[u8]| {
        let Wire(bytes) = Wire::new().with(7, 1);
        Wire([&bytes[..], name].concat())
    };
    let long = [
        &[63][..],
        &[b'x'; 63],
        &[63],
        &[b'x'; 63],
        &[63],
        &[b'x'; 63],
    ]
    .concat();
    read_all([
        ("into the header", points(11), Err(Outcome::BadPointer)),
        ("to itself", points(RECORDS_AT), Err(Outcome::BadPointer)),
        ("ahead", points(RECORDS_AT + 2), Err(Outcome::BadPointer)),
        (
            "to its own label",
            at(&[1, b'c', 0xc0, RECORDS_AT]),
            Err(Outcome::BadPointer),
        ),
        (
            "into what does not end before it",
            at(&[0xc0, RECORDS_AT - 1]),
            Err(Outcome::BadPointer),
        ),
        ("a label of 64", at(&[64]), Err(Outcome::BadLabel)),
        ("a label of 191", at(&[191]), Err(Outcome::BadLabel)),
        ("a dot inside", at(b"\x03a.b\0"), Err(Outcome::BadLabel)),
        ("a NUL inside", at(b"\x03a\0b\0"), Err(Outcome::BadLabel)),
        (
            "256 bytes",
            at(&[&long[..], &[62], &[b'x'; 62], &[0]].concat()),
            Err(Outcome::BadLabel),
        ),
        (
            "255 bytes",
            at(&[&long[..], &[61], &[b'x'; 61], &[0]].concat()).says(ASKED, A, &OTHER_V4),
            addresses(&[OTHER_V4]),
        ),
        (
            "the rest of another one makes 256 bytes",
            at(&[&long[..], &[60], &[b'x'; 60], &[0xc0, 12]].concat()),
            Err(Outcome::BadLabel),
        ),
        (
            "a pointer to a name with a pointer",
            at(&[1, b'c', 0xc0, 12])
                .says(&[1, b'd', 0xc0, RECORDS_AT], A, &V4)
                .says(ASKED, A, &OTHER_V4),
            addresses(&[OTHER_V4]),
        ),
        (
            "255 bytes, and it goes on where a pointer leads",
            Wire::asking(&[&[20][..], &[b'x'; 20], &[0]].concat()).says(
                &[&long[..], &[46], &[b'x'; 46], &[0xc0, 12]].concat(),
                A,
                &V4,
            ),
            Err(Outcome::BadLabel),
        ),
        ("cut off in a label", cut(&[5, b'c']), Err(Outcome::CutOff)),
        ("cut off in a pointer", cut(&[0xc0]), Err(Outcome::CutOff)),
        (
            "cut off behind a label",
            cut(&[1, b'c']),
            Err(Outcome::CutOff),
        ),
    ]);
}

#[test]
fn aliases() {
    let (c, d) = (&b"\x01c\0"[..], &b"\x01d\0"[..]);
    let alias = |owner, target: &[u8]| Wire::new().says(owner, CNAME, target);
    read_all([
        ("one", alias(ASKED, c).says(c, A, &V4), addresses(&[V4])),
        (
            "two",
            alias(ASKED, c).says(c, CNAME, d).says(d, A, &V4),
            addresses(&[V4]),
        ),
        (
            "backwards",
            Wire::new()
                .says(d, A, &V4)
                .says(c, CNAME, d)
                .says(ASKED, CNAME, c),
            addresses(&[V4]),
        ),
        (
            "behind another name's address",
            Wire::new()
                .says(c, A, &OTHER_V4)
                .says(ASKED, CNAME, d)
                .says(d, A, &V4),
            addresses(&[V4]),
        ),
        (
            "two of one name",
            alias(ASKED, c)
                .says(ASKED, CNAME, d)
                .says(c, A, &V4)
                .says(d, A, &OTHER_V4),
            addresses(&[V4, OTHER_V4]),
        ),
        (
            "a circle",
            alias(ASKED, c).says(c, CNAME, ASKED).says(c, A, &V4),
            addresses(&[V4]),
        ),
        (
            "of itself",
            alias(ASKED, ASKED).says(ASKED, A, &V4),
            addresses(&[V4]),
        ),
        (
            "of another name",
            alias(c, d).says(d, A, &V4),
            Err(Outcome::NoAddress),
        ),
        (
            "without an address",
            alias(ASKED, c),
            Err(Outcome::NoAddress),
        ),
        (
            "longer than its name",
            alias(ASKED, b"\x01c\0x"),
            Err(Outcome::WrongLength),
        ),
        (
            "shorter than its name",
            alias(ASKED, b"\x01c").says(c, A, &V4),
            Err(Outcome::WrongLength),
        ),
        (
            "nothing",
            alias(ASKED, b"").says(c, A, &V4),
            Err(Outcome::WrongLength),
        ),
    ]);
}

#[test]
fn services() {
    let c = &b"\x01c\0"[..];
    let service = |priority: u8, target: &[u8], parameters: &[&[u8]]| {
        let data = [&[0, priority][..], target, &parameters.concat()].concat();
        Wire::new().says(ASKED, HTTPS, &data)
    };
    let here = |parameters: &[&[u8]]| service(1, &[0], parameters);
    let hint_v4 = &[0, 4, 0, 4, 203, 0, 113, 5][..];
    let hints_v4 = &[0, 4, 0, 8, 203, 0, 113, 5, 203, 0, 113, 6][..];
    let hint_v6 = &[&[0, 6, 0, 16][..], &V6].concat()[..];
    let bad = Err(Outcome::Malformed);
    read_all([
        ("a hint", here(&[hint_v4]), addresses(&[V4])),
        ("two hints", here(&[hints_v4]), addresses(&[V4, OTHER_V4])),
        (
            "hints of both families",
            here(&[hint_v4, hint_v6]),
            Ok(vec![Addr::v4(V4), v6(V6)]),
        ),
        (
            "of SVCB",
            Wire::new().says(ASKED, SVCB, &[&[0, 1, 0][..], hint_v4].concat()),
            addresses(&[V4]),
        ),
        (
            "behind other keys",
            here(&[
                &[0, 0, 0, 2, 0, 1],
                &[0, 1, 0, 3, 2, b'h', b'2'],
                &[0, 2, 0, 0],
                &[0, 3, 0, 2, 1, 187],
                hint_v4,
            ]),
            addresses(&[V4]),
        ),
        (
            "in front of another key",
            here(&[hint_v4, &[0, 9, 0, 1, 9]]),
            addresses(&[V4]),
        ),
        (
            "another name's address",
            service(1, c, &[]).says(c, A, &V4),
            addresses(&[V4]),
        ),
        (
            "an alias",
            service(0, c, &[]).says(c, A, &V4),
            addresses(&[V4]),
        ),
        (
            "an alias has no hints",
            service(0, c, &[hint_v4]),
            Err(Outcome::NoAddress),
        ),
        ("no hints", here(&[]), Err(Outcome::NoAddress)),
        (
            "the root stands for the owner, and has no address",
            here(&[]).says(b"\0", A, &V4),
            Err(Outcome::NoAddress),
        ),
        (
            "a mapped hint",
            here(&[&[
                0, 6, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 5,
            ]]),
            bad.clone(),
        ),
        ("keys out of order", here(&[hint_v6, hint_v4]), bad.clone()),
        ("a key twice", here(&[hint_v4, hint_v4]), bad.clone()),
        (
            "a value beyond the record",
            here(&[&[0, 4, 0, 8, 203, 0, 113, 5]]),
            bad.clone(),
        ),
        (
            "a key that is cut off",
            here(&[&[0, 4, 0]]),
            Err(Outcome::WrongLength),
        ),
        (
            "no priority",
            Wire::new().says(ASKED, HTTPS, &[0]).says(ASKED, A, &V4),
            Err(Outcome::WrongLength),
        ),
        (
            "no target",
            Wire::new().says(ASKED, HTTPS, &[0, 1]).says(ASKED, A, &V4),
            Err(Outcome::WrongLength),
        ),
        (
            "no priority, and the message ends",
            Wire::new().says(ASKED, HTTPS, &[0]),
            Err(Outcome::WrongLength),
        ),
        (
            "no target, and the message ends",
            Wire::new().says(ASKED, HTTPS, &[0, 1]),
            Err(Outcome::CutOff),
        ),
    ]);
    for (what, parameter) in [
        ("no mandatory key", &[0, 0, 0, 0][..]),
        ("half a mandatory key", &[0, 0, 0, 3, 0, 1, 0]),
        ("no protocol", &[0, 1, 0, 0]),
        ("a default that has a value", &[0, 2, 0, 1, 0]),
        ("half a port", &[0, 3, 0, 1, 1]),
        ("no IPv4 hint", &[0, 4, 0, 0]),
        ("half an IPv4 hint", &[0, 4, 0, 2, 1, 2]),
        ("no IPv6 hint", &[0, 6, 0, 0]),
        ("half an IPv6 hint", &[0, 6, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]),
    ] {
        assert_eq!(here(&[parameter]).read(), bad, "{what}");
    }
}

#[test]
fn other_sections_are_stepped_over() {
    let sound = Wire::new().says(ASKED, A, &V4);
    let and = |owner: &[u8]| sound.clone().and(2, owner, (A, IN), &OTHER_V4);
    let behind = |bytes: &[u8]| {
        let Wire(sound) = sound.clone().with(11, 1);
        Wire([&sound[..], bytes].concat())
    };
    read_all([
        (
            "authority and additional",
            and(b"\x01c\x01d\0").and(1, ASKED, (2, IN), &[0]).with(9, 1),
            addresses(&[V4]),
        ),
        (
            "a last record without data, as of EDNS",
            sound.clone().and(2, &[0], (41, 1232), &[]),
            addresses(&[V4]),
        ),
        ("a pointer", and(&[0xc0, 12]), addresses(&[V4])),
        (
            "labels and a pointer",
            and(&[1, b'c', 0xc0, 12]),
            addresses(&[V4]),
        ),
        (
            "a pointer into the header",
            and(&[0xc0, 11]),
            Err(Outcome::BadPointer),
        ),
        (
            "a pointer ahead",
            and(&[0xc0, 200]),
            Err(Outcome::BadPointer),
        ),
        (
            "a label of 63",
            and(&[&[63][..], &[b'x'; 63], &[0]].concat()),
            addresses(&[V4]),
        ),
        ("a label of 64", and(&[64]), Err(Outcome::BadLabel)),
        (
            "cut off in its name",
            behind(&[5, b'c']),
            Err(Outcome::CutOff),
        ),
        (
            "cut off in its pointer",
            behind(&[0xc0]),
            Err(Outcome::CutOff),
        ),
        (
            "cut off behind its name",
            behind(&[0, 0, 1]),
            Err(Outcome::CutOff),
        ),
        (
            "cut off in its data",
            and(&[0]).cut(1),
            Err(Outcome::WrongLength),
        ),
    ]);
}

#[test]
fn as_much_as_is_read_and_more() {
    let addresses_of = |count: u8| {
        let wires = (0..count).fold(Wire::new(), |wire, _| wire.says(ASKED, A, &V4));
        assert!(wires.0.len() < MESSAGE_MAX);
        wires
    };
    let hints = |count: u16| {
        let [high, low] = (count * 4).to_be_bytes();
        let all = V4.repeat(usize::from(count));
        let data = [&[0, 1, 0, 0, 4, high, low][..], &all].concat();
        Wire::new().says(ASKED, HTTPS, &data)
    };
    // A record of another section takes a step for each label of its owner, and one more.
    let labels = |records: u8, of_last: usize| {
        let name = |labels: usize| [&b"\x01c".repeat(labels)[..], &[0]].concat();
        let sound = Wire::new().says(ASKED, A, &V4);
        let others = (0..records).fold(sound, |wire, _| wire.and(2, &name(119), (A, IN), &V4));
        others.and(2, &name(of_last), (A, IN), &V4)
    };
    // Names of which the last byte of the hash is the same stand in one list.
    let same = |count: usize| {
        let names = (0..=u16::MAX).map(|number| format!("\x04{number:04x}\x01b\0").into_bytes());
        let last = |name: &[u8]| {
            let mut hash = hash::NameHash::new(hash::NAME_SEED);
            for byte in &name[..name.len() - 1] {
                hash.add(*byte);
            }
            hash.finish() as u8
        };
        let mut alike = names.filter(|name| last(name) == 7).take(count);
        alike.try_fold(Wire::new().says(ASKED, A, &V4), |wire, name| {
            Some(wire.says(&name, A, &V4))
        })
    };
    let (within, beyond) = (same(16).expect("names"), same(17).expect("names"));
    read_all([
        ("addresses", addresses_of(240), addresses(&[V4; 240])),
        (
            "hints",
            hints(ADDRESSES as u16),
            addresses(&[V4; ADDRESSES]),
        ),
        (
            "more hints",
            hints(ADDRESSES as u16 + 1),
            Err(Outcome::TooManyRecords),
        ),
        ("steps", labels(8, 62), addresses(&[V4])),
        ("more steps", labels(8, 63), Err(Outcome::TooManyRecords)),
        ("names of one list", within, addresses(&[V4])),
        (
            "more names of one list",
            beyond,
            Err(Outcome::TooManyRecords),
        ),
    ]);
}

#[test]
fn steps_survive_a_global_function() {
    let flaws = Outcome::ALL.iter().filter(|one| one.is_malformed());
    let flaws: Vec<_> = flaws.map(|flaw| Step::Bad(*flaw)).collect();
    assert_eq!(flaws.len(), 7);
    for step in flaws.iter().chain(&[Step::More, Step::Done, Step::TooMany]) {
        assert_eq!(Step::from_code(step.to_code()), *step);
    }
    assert_eq!(Step::from_code(3), Step::Bad(Outcome::Malformed));
    assert_eq!(Step::from_code(30), Step::Bad(Outcome::Malformed));
}

#[test]
fn names_of_outcomes_are_distinct() {
    let names: HashSet<_> = Outcome::ALL.iter().map(|one| one.name()).collect();
    assert_eq!(names.len(), Outcome::ALL.len());
}
