//! Every way through what an error quotes.

use super::{
    super::{
        frame::{CLIENT, CLIENT_V6, L3, SERVER, SERVER_V6, edit, extension, ipv4, ipv6, v6},
        parse,
    },
    *,
};
use crate::parse::Datagram;

/// Offset of the quoted packet's addresses in its header.
const SRC: usize = 12;
const SRC_V6: usize = 8;
/// Offset of the quoted packet in the frame.
const QUOTED: usize = L3 + 20 + 8;

const UNREACHABLE: [u8; 8] = [3, 3, 0, 0, 0, 0, 0, 0];
const UNREACHABLE_V6: [u8; 8] = [1, 4, 0, 0, 0, 0, 0, 0];

/// Eight bytes from port 443 to port 40000.
const PORTS: [u8; 8] = [1, 0xbb, 0x9c, 0x40, 0, 0, 0, 0];

/// A server's packet to the client.
fn answer(proto: u8, payload: &[u8]) -> Vec<u8> {
    let packet = ipv4(proto, payload).split_off(L3);
    edit(&packet, SRC, &[SERVER, CLIENT].concat())
}

fn answer_v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let packet = ipv6(next, payload).split_off(L3);
    edit(&packet, SRC_V6, &[SERVER_V6, CLIENT_V6].concat())
}

/// The client's error about it.
fn about(quoted: &[u8]) -> Vec<u8> {
    ipv4(1, &[&UNREACHABLE, quoted].concat())
}

fn about_v6(quoted: &[u8]) -> Vec<u8> {
    ipv6(58, &[&UNREACHABLE_V6, quoted].concat())
}

fn quoted(frame: &[u8]) -> Result<Flow, Reason> {
    let Datagram { flow, l4, end, .. } = parse(frame).expect("an error");
    read(frame, &flow, l4, end)
}

/// Protocol and ports of the client's packets that a quoted one answers.
fn ports_of(frame: &[u8]) -> Result<(u8, u16, u16), Reason> {
    quoted(frame).map(|flow| (flow.proto, flow.src_port, flow.dst_port))
}

#[test]
fn messages_by_type() {
    use Message::{Error, Other, Redirect};

    let of = |proto, src: Addr, kind: u16| {
        let flow = Flow {
            proto,
            dst_port: kind << 8 | 9,
            ..Flow::between(src, src)
        };
        (
            message(&flow),
            message(&Flow {
                later_fragment: true,
                ..flow
            }),
        )
    };
    let (client, client_v6) = (Addr::v4(CLIENT), v6(CLIENT_V6));
    for kind in 0..=255 {
        let v4 = match kind {
            3 | 11 | 12 => Error,
            5 => Redirect,
            _ => Other,
        };
        let v6 = match kind {
            1..=4 => Error,
            137 => Redirect,
            _ => Other,
        };
        assert_eq!(of(proto::ICMP, client, kind), (v4, Other), "{kind}");
        assert_eq!(of(proto::ICMPV6, client_v6, kind), (v6, Other), "{kind}");
        for (proto, src) in [
            (proto::ICMP, client_v6),
            (proto::ICMPV6, client),
            (proto::TCP, client),
        ] {
            assert_eq!(of(proto, src, kind), (Other, Other), "{proto} {kind}");
        }
    }
}

#[test]
fn the_flow_is_that_of_the_clients_packets() {
    let frame = about(&answer(17, &PORTS));
    let error = parse(&frame[..]).expect("an error").flow;
    let expected = Flow {
        proto: proto::UDP,
        src_port: 40_000,
        dst_port: 443,
        ..error
    };
    assert_eq!(quoted(&frame), Ok(expected));
    assert_eq!(error.dst, Addr::v4(SERVER));
    let frame = about_v6(&answer_v6(6, &PORTS));
    let error = parse(&frame[..]).expect("an error").flow;
    let expected = Flow {
        proto: proto::TCP,
        src_port: 40_000,
        dst_port: 443,
        ..error
    };
    assert_eq!(quoted(&frame), Ok(expected));
}

#[test]
fn a_router_in_front_of_the_client_tells_of_the_clients_packets() {
    const ROUTER: [u8; 4] = [10, 20, 0, 254];
    let frame = edit(&about(&answer(17, &PORTS)), L3 + SRC, &ROUTER);
    let error = parse(&frame[..]).expect("an error").flow;
    assert_eq!(error.src, Addr::v4(ROUTER));
    let flow = quoted(&frame).expect("a flow");
    assert_eq!(flow.src, Addr::v4(CLIENT));
    assert_eq!(flow.dst, Addr::v4(SERVER));
}

#[test]
fn headers_that_are_quoted() {
    let sound = answer(17, &PORTS);
    let options = edit(&answer(17, &[&[0; 4][..], &PORTS].concat()), 0, &[0x46]);
    assert_eq!(ports_of(&about(&options)), Ok((17, 40_000, 443)));
    let first = edit(&sound, 6, &[0x60, 0]);
    assert_eq!(
        ports_of(&about(&first)),
        Ok((17, 40_000, 443)),
        "a first fragment"
    );
    for (what, frame) in [
        ("another version", about(&edit(&sound, 0, &[0x65]))),
        ("four words", about(&edit(&sound, 0, &[0x44]))),
        ("a later fragment", about(&edit(&sound, 7, &[1]))),
        ("nothing", about(&[])),
        ("half a header", about(&sound[..19])),
        ("half its ports", about(&sound[..27])),
        ("from another client", about(&edit(&sound, SRC, &CLIENT))),
        (
            "of IPv6: another version",
            about_v6(&edit(&answer_v6(17, &PORTS), 0, &[0x40])),
        ),
        (
            "of IPv6: half a header",
            about_v6(&answer_v6(17, &PORTS)[..39]),
        ),
        (
            "of IPv6: half its ports",
            about_v6(&answer_v6(17, &PORTS)[..47]),
        ),
    ] {
        assert_eq!(quoted(&frame), Err(Reason::Malformed), "{what}");
    }
    let mapped = [&[0; 10][..], &[0xff; 2], &SERVER].concat();
    let hidden = edit(&answer_v6(17, &PORTS), SRC_V6, &mapped);
    assert_eq!(quoted(&about_v6(&hidden)), Err(Reason::EmbeddedAddress));
}

#[test]
fn extension_headers_that_are_quoted() {
    let behind =
        |first: u8, headers: &[u8]| about_v6(&answer_v6(first, &[headers, &PORTS].concat()));
    let all = [
        extension(60, 0, 0),
        extension(43, 1, 8),
        extension(51, 0, 0),
        extension(44, 1, 4),
    ];
    let fragment = extension(17, 9, 0);
    let sound = behind(0, &[all.concat(), fragment.clone()].concat());
    assert_eq!(
        ports_of(&sound),
        Ok((17, 40_000, 443)),
        "the length of a fragment header is none"
    );
    let chain = |count: usize| {
        let first = extension(60, 0, 0).repeat(count - 1);
        behind(60, &[first, extension(17, 0, 0)].concat())
    };
    assert_eq!(ports_of(&chain(EXTENSIONS_MAX)), Ok((17, 40_000, 443)));
    let first = edit(&fragment, 3, &[1]);
    assert_eq!(
        ports_of(&behind(44, &first)),
        Ok((17, 40_000, 443)),
        "a first fragment, which others follow"
    );
    let later = |offset: [u8; 2]| behind(44, &edit(&fragment, 2, &offset));
    for (what, frame) in [
        ("one more than may be", chain(EXTENSIONS_MAX + 1)),
        ("a later fragment", later([0, 8])),
        ("one that is far behind", later([0x20, 0])),
        ("beyond the error", behind(60, &extension(17, 3, 0))),
        ("cut off", about_v6(&answer_v6(60, &[17, 0, 0]))),
    ] {
        assert_eq!(quoted(&frame), Err(Reason::Malformed), "{what}");
    }
    let options = edit(&extension(17, 0, 0), 3, &[8]);
    assert_eq!(
        ports_of(&behind(60, &options)),
        Ok((17, 40_000, 443)),
        "the same byte of another one"
    );
    // The first header reaches to the bound of all, or eight bytes further.
    let far = |to: usize| {
        let rest = to - (L3 + 40 + 8 + 40);
        let first = extension(60, 129, 1032);
        let second = extension(17, ((rest - 1040) / 8 - 1) as u8, rest - 1040 - 8);
        behind(60, &[first, second].concat())
    };
    let most = HEADERS_MAX - (HEADERS_MAX - L3) % 8;
    assert_eq!(ports_of(&far(most)), Ok((17, 40_000, 443)));
    assert_eq!(quoted(&far(most + 8)), Err(Reason::Malformed));
    // Behind Ethernet no header begins right at the bound.
    let bare = |to: usize| {
        let frame = far(to + L3);
        let Datagram { flow, l4, end, .. } = parse(&frame[..]).expect("an error");
        read(&frame[L3..], &flow, l4 - L3, end - L3)
    };
    assert!(bare(HEADERS_MAX).is_ok());
    assert_eq!(bare(HEADERS_MAX + 8), Err(Reason::Malformed));
}

#[test]
fn ports_that_are_quoted() {
    for proto in [6, 17, 132, 33, 136] {
        let frame = about(&answer(proto, &PORTS));
        assert_eq!(ports_of(&frame), Ok((proto, 40_000, 443)), "{proto}");
    }
    assert_eq!(ports_of(&about(&answer(50, &PORTS))), Ok((50, 0, 0)));
    let reply = |kind| [kind, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(ports_of(&about(&answer(1, &reply(0)))), Ok((1, 0, ECHO_V4)));
    assert_eq!(
        ports_of(&about_v6(&answer_v6(58, &reply(129)))),
        Ok((58, 0, ECHO_V6))
    );
    for (what, frame) in [
        ("an error", about(&answer(1, &reply(3)))),
        ("a request", about(&answer(1, &reply(8)))),
        ("ICMPv6 in IPv4", about(&answer(1, &reply(129)))),
        ("an error of IPv6", about_v6(&answer_v6(58, &reply(1)))),
        ("ICMP in IPv6", about_v6(&answer_v6(58, &reply(0)))),
    ] {
        assert_eq!(quoted(&frame), Err(Reason::Malformed), "{what}");
    }
    // The frame is longer than the error.
    let ends = edit(&about(&answer(17, &PORTS)), L3 + 3, &[20 + 8 + 27]);
    assert_eq!(quoted(&ends), Err(Reason::Malformed));
    assert_eq!(ends.len(), QUOTED + 28);
}
