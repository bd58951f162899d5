//! Every way through the parser.

use super::{
    frame::{
        CLIENT, CLIENT_V6, L3, L4, L4_V6, MAC, SERVER, SERVER_V6, edit, ether, extension, ipv4,
        ipv6, tcp, udp, v6,
    },
    *,
};

fn flow_of(proto: u8, ports: (u16, u16)) -> Flow {
    Flow {
        proto,
        src_port: ports.0,
        dst_port: ports.1,
        mac: MAC,
        ..Flow::between(Addr::v4(CLIENT), Addr::v4(SERVER))
    }
}

fn refused(what: &str, frame: &[u8], reason: Reason) {
    assert_eq!(parse(frame), Err(reason), "{what}");
}

fn read_from(what: &str, frame: &[u8]) -> Datagram {
    parse(frame).unwrap_or_else(|reason| panic!("{what}: {reason:?}"))
}

#[test]
fn a_datagram_of_each_family() {
    let frame = [ipv4(6, &tcp(5, 0x02)), vec![0; 6]].concat();
    let expected = Datagram {
        piece: Piece::WHOLE,
        flow: Flow {
            opens: true,
            ..flow_of(6, (40_000, 443))
        },
        l3: L3,
        l4: L4,
        end: L4 + 20,
    };
    assert_eq!(parse(&frame[..]), Ok(expected), "padding is none of it");
    assert!(!expected.has_options());
    let frame = ipv6(17, &udp(8, &[]));
    let expected = Datagram {
        piece: Piece::WHOLE,
        flow: Flow {
            src: v6(CLIENT_V6),
            dst: v6(SERVER_V6),
            ..flow_of(17, (40_000, 443))
        },
        l3: L3,
        l4: L4_V6,
        end: L4_V6 + 8,
    };
    assert_eq!(parse(&frame[..]), Ok(expected));
    assert!(!expected.has_options());
}

#[test]
fn link_layers() {
    let packet = ipv4(17, &udp(8, &[])).split_off(L3);
    let tagged = |tags: &[[u8; 4]]| {
        let mut frame = ether(0, &[]);
        frame.truncate(12);
        frame.extend(tags.concat());
        frame.extend([8, 0]);
        [frame, packet.clone()].concat()
    };
    let (inner, outer) = ([0x81, 0, 0x20, 9], [0x88, 0xa8, 0x60, 0x7f]);
    for (tags, vlan) in [
        (&[][..], 0),
        (&[inner], 9),
        (&[[0x81, 0, 0xff, 0xff]], 0xfff),
        (&[outer, inner], 0x07f),
        (&[inner, inner], 9),
    ] {
        let read = read_from("tags", &tagged(tags));
        let flow = Flow {
            vlan,
            ..flow_of(17, (40_000, 443))
        };
        assert_eq!(
            (read.flow, read.l3),
            (flow, L3 + 4 * tags.len()),
            "{tags:?}"
        );
    }
    refused("three tags", &tagged(&[inner; 3]), Reason::EtherType);
    refused(
        "a tag that is cut off",
        &tagged(&[inner])[..17],
        Reason::Malformed,
    );
    refused("no whole header", &[0; 13], Reason::Malformed);
    for (kind, reason) in [
        (0x0806, Reason::LinkControl),
        (0x888e, Reason::LinkControl),
        (0x88cc, Reason::LinkControl),
        (0x05ff, Reason::LinkControl),
        (0x0600, Reason::EtherType),
        (0x8847, Reason::EtherType),
    ] {
        refused(&format!("{kind:04x}"), &ether(kind, &[0; 60]), reason);
    }
}

#[test]
fn packets_without_a_link_layer() {
    let packet = ipv4(17, &udp(8, &[])).split_off(L3);
    let network = Network::bare(0x0800).untagged(0xf00a);
    let mut datagram = Datagram::NONE;
    assert_eq!(read(&packet[..], network, &mut datagram), Ok(()));
    let flow = Flow {
        mac: [0; 6],
        vlan: 10,
        ..flow_of(17, (40_000, 443))
    };
    assert_eq!((datagram.flow, datagram.l3), (flow, 0));
    for (kind, is) in [
        (0x0800, [true, false, false]),
        (0x86dd, [false, true, false]),
        (0x8100, [false, false, true]),
        (0x88a8, [false, false, true]),
        (0x0806, [false; 3]),
    ] {
        let network = Network::bare(kind);
        let said = [network.is_ipv4(), network.is_ipv6(), network.is_tagged()];
        assert_eq!((said, network.at()), (is, 0), "{kind:04x}");
    }
    let tagged = link(&ether(0x8100, &[0, 9, 8, 0])[..]);
    assert_eq!(tagged.map(|network| network.at()), Ok(18));
}

#[test]
fn headers_of_ipv4() {
    let sound = ipv4(17, &udp(8, &[]));
    let malformed = |what, at: usize, bytes: &[u8]| {
        refused(what, &edit(&sound, L3 + at, bytes), Reason::Malformed);
    };
    malformed("another version", 0, &[0x65]);
    malformed("four words", 0, &[0x44]);
    malformed("shorter than its header", 2, &[0, 19]);
    malformed("longer than its frame", 2, &[0, 29]);
    refused("cut off", &sound[..L4 - 1], Reason::Malformed);
    // No protocol of ours, so that only the header counts.
    let empty = edit(&ipv4(99, &[]), L3 + 2, &[0, 20]);
    assert_eq!(read_from("a header alone", &empty).end, L4);
    let options = edit(
        &ipv4(17, &[&[1; 4][..], &udp(8, &[])].concat()),
        L3,
        &[0x46],
    );
    let read = read_from("options", &options);
    assert!(read.has_options());
    assert_eq!((read.l4, read.end), (L4 + 4, L4 + 12));
}

#[test]
fn fragments_of_ipv4() {
    let of = |field: u16, payload: &[u8]| {
        let [high, low] = field.to_be_bytes();
        edit(&ipv4(17, payload), L3 + 6, &[high, low])
    };
    let piece = |start, end, more| Piece {
        id: 0x1234,
        chain: 0,
        start,
        end,
        more,
    };
    let eight = udp(16, &[]);
    for (what, frame, expected) in [
        ("do not fragment", of(0x4000, &eight), Piece::WHOLE),
        ("reserved", of(0x8000, &eight), Piece::WHOLE),
        ("the first", of(0x2000, &eight), piece(0, 1, 1)),
        ("the second", of(0x2001, &[0; 16]), piece(1, 3, 1)),
        ("the last", of(0x0001, &[0; 3]), piece(1, 2, 0)),
        (
            "up to 65,535 bytes with its header",
            of(0x1ffc, &[0; 11]),
            piece(0x1ffc, 0x1ffe, 0),
        ),
    ] {
        let read = read_from(what, &frame);
        assert_eq!(read.piece, expected, "{what}");
        assert_eq!(read.flow.later_fragment, expected.start != 0, "{what}");
        let ports = if expected.start == 0 {
            (40_000, 443)
        } else {
            (0, 0)
        };
        assert_eq!((read.flow.src_port, read.flow.dst_port), ports, "{what}");
    }
    for (what, frame) in [
        ("no whole unit", of(0x2000, &[0; 9])),
        ("nothing", of(0x0001, &[])),
        ("beyond 65,535 bytes with its header", of(0x1ffc, &[0; 12])),
        ("a first one without its ports", of(0x2000, &[])),
    ] {
        refused(what, &frame, Reason::Malformed);
    }
}

#[test]
fn headers_of_ipv6() {
    let sound = ipv6(17, &udp(8, &[]));
    refused(
        "another version",
        &edit(&sound, L3, &[0x40]),
        Reason::Malformed,
    );
    refused(
        "longer than its frame",
        &edit(&sound, L3 + 5, &[9]),
        Reason::Malformed,
    );
    refused("cut off", &sound[..L4_V6 - 1], Reason::Malformed);
    let mapped = [&[0; 10][..], &[0xff; 2], &SERVER].concat();
    let nat64 = [&[0, 0x64, 0xff, 0x9b][..], &[0; 8], &SERVER].concat();
    refused(
        "a mapped source",
        &edit(&sound, L3 + 8, &mapped),
        Reason::EmbeddedAddress,
    );
    refused(
        "a mapped destination",
        &edit(&sound, L3 + 24, &mapped),
        Reason::EmbeddedAddress,
    );
    let read = read_from("NAT64", &edit(&sound, L3 + 24, &nat64));
    assert_eq!(
        (read.flow.src, read.flow.dst),
        (v6(CLIENT_V6), Addr::v4(SERVER))
    );
    assert!(!read.has_options());
}

#[test]
fn extension_headers() {
    let behind =
        |first: u8, headers: &[Vec<u8>]| ipv6(first, &[headers.concat(), udp(8, &[])].concat());
    for (what, frame, at) in [
        ("hop by hop", behind(0, &[extension(17, 0, 0)]), 8),
        ("two units of 8", behind(60, &[extension(17, 1, 8)]), 16),
        (
            "routing without a way left",
            behind(43, &[extension(17, 0, 0)]),
            8,
        ),
        (
            "authentication, in units of 4",
            behind(51, &[extension(17, 1, 4)]),
            12,
        ),
        (
            "several",
            behind(
                0,
                &[
                    extension(60, 0, 0),
                    extension(43, 0, 0),
                    extension(17, 0, 0),
                ],
            ),
            24,
        ),
    ] {
        let read = read_from(what, &frame);
        assert_eq!((read.l4, read.flow.proto), (L4_V6 + at, 17), "{what}");
        assert_eq!(read.flow.dst_port, 443, "{what}");
    }
    let chain = |count: usize| {
        let mut headers = vec![extension(60, 0, 0); count - 1];
        headers.push(extension(17, 0, 0));
        behind(60, &headers)
    };
    assert_eq!(
        read_from("as many as may be", &chain(EXTENSIONS_MAX)).l4,
        L4_V6 + 56
    );
    refused("one more", &chain(EXTENSIONS_MAX + 1), Reason::Malformed);
    let routed = edit(&behind(43, &[extension(17, 0, 0)]), L4_V6 + 3, &[1]);
    refused("a way left", &routed, Reason::SourceRoute);
    let options = edit(&behind(60, &[extension(17, 0, 0)]), L4_V6 + 3, &[1]);
    assert_eq!(
        read_from("the same byte of another one", &options)
            .flow
            .dst_port,
        443
    );
    refused(
        "beyond the packet",
        &behind(0, &[extension(17, 2, 0)]),
        Reason::Malformed,
    );
    refused("cut off", &ipv6(0, &[17, 0, 0, 0]), Reason::Malformed);
    // Nothing behind it is looked at.
    let alone = read_from("nothing behind it", &ipv6(0, &extension(59, 0, 0)));
    assert_eq!((alone.flow.proto, alone.l4), (59, alone.end));
    refused(
        "beyond the packet, and nothing behind it",
        &ipv6(0, &extension(59, 1, 0)),
        Reason::Malformed,
    );
    // The frame goes on where the packet ends.
    let ends = edit(&behind(0, &[extension(17, 0, 0)]), L3 + 5, &[7]);
    refused("longer than the packet", &ends, Reason::Malformed);
}

#[test]
fn headers_reach_so_far_into_a_frame_and_no_further() {
    // One header of 255 units, and one that makes up the rest.
    let reaching = |to: usize| {
        let rest = to - L4_V6 - 1040 - 8;
        let first = extension(60, 129, 1032);
        let second = extension(17, (rest / 8) as u8, rest);
        ipv6(60, &[first, second, udp(8, &[])].concat())
    };
    let most = HEADERS_MAX - (HEADERS_MAX - L4_V6) % 8;
    assert_eq!(read_from("within", &reaching(most)).l4, most);
    refused("beyond", &reaching(most + 8), Reason::Malformed);
    // Behind Ethernet no header begins right at the bound.
    let bare = |to: usize| {
        let packet = reaching(to + L3).split_off(L3);
        let mut datagram = Datagram::NONE;
        let read = read(&packet[..], Network::bare(0x86dd), &mut datagram);
        read.map(|()| datagram.l4)
    };
    assert_eq!(bare(HEADERS_MAX), Ok(HEADERS_MAX));
    assert_eq!(bare(HEADERS_MAX + 8), Err(Reason::Malformed));
}

#[test]
fn fragments_of_ipv6() {
    let fragment = |next: u8, field: u16| {
        let [high, low] = field.to_be_bytes();
        vec![next, 0, high, low, 0, 0, 0x12, 0x34]
    };
    let of = |field, payload: &[u8]| ipv6(44, &[fragment(17, field), payload.to_vec()].concat());
    let chain = Piece::link(0, 44, 0, 17);
    let piece = |start, end, more| Piece {
        id: 0x1234,
        chain,
        start,
        end,
        more,
    };
    let eight = udp(16, &[]);
    for (what, frame, expected) in [
        ("atomic", of(0, &eight), Piece::WHOLE),
        ("the first", of(1, &eight), piece(0, 1, 1)),
        ("the second", of(8 | 1, &[0; 16]), piece(1, 3, 1)),
        ("the last", of(8, &[0; 3]), piece(1, 2, 0)),
    ] {
        let read = read_from(what, &frame);
        assert_eq!((read.piece, read.l4), (expected, L4_V6 + 8), "{what}");
        assert_eq!(read.flow.later_fragment, expected.start != 0, "{what}");
    }
    // A later one's next header is not in it.
    let later = ipv6(44, &[fragment(60, 8), vec![0; 8]].concat());
    assert_eq!(read_from("a later one", &later).flow.proto, 60);
    let between = ipv6(
        60,
        &[extension(44, 0, 0), fragment(17, 1), eight.clone()].concat(),
    );
    let linked = Piece::link(Piece::link(0, 60, 0, 44), 44, 0, 17);
    assert_eq!(
        read_from("behind another header", &between).piece.chain,
        linked
    );
    for (what, frame) in [
        (
            "two of them",
            ipv6(
                44,
                &[fragment(44, 0), fragment(17, 0), eight.clone()].concat(),
            ),
        ),
        ("no whole unit", of(1, &[0; 9])),
        ("nothing", of(8, &[])),
    ] {
        refused(what, &frame, Reason::Malformed);
    }
    let others = ipv6(44, &[fragment(60, 0), extension(17, 0, 0), eight].concat());
    assert_eq!(
        read_from("another header behind it", &others).l4,
        L4_V6 + 16
    );
}

#[test]
fn transport_headers() {
    for (what, proto, payload, ports) in [
        ("TCP", 6, tcp(5, 0), (40_000, 443)),
        ("TCP with options", 6, tcp(15, 0), (40_000, 443)),
        ("UDP", 17, udp(8, &[]), (40_000, 443)),
        ("UDP that lies upwards", 17, udp(9, &[]), (40_000, 443)),
        ("UDP-Lite of everything", 136, udp(0, &[]), (40_000, 443)),
        ("UDP-Lite of its header", 136, udp(8, &[]), (40_000, 443)),
        ("SCTP", 132, udp(0, &[0; 4]), (40_000, 443)),
        ("DCCP", 33, udp(0, &[0; 4]), (40_000, 443)),
        ("ICMP", 1, vec![8, 3, 0, 0, 0, 0, 0, 0], (0, 0x0803)),
        ("ICMPv6", 58, vec![128, 0, 0, 0, 0, 0, 0, 0], (0, 0x8000)),
        ("ESP", 50, Vec::new(), (0, 0)),
    ] {
        let read = read_from(what, &ipv4(proto, &payload));
        assert_eq!(read.flow, flow_of(proto, ports), "{what}");
    }
    for (flags, opens) in [
        (0x02, true),
        (0x12, false),
        (0x10, false),
        (0xc2, true),
        (0x01, false),
    ] {
        let read = read_from("flags", &ipv4(6, &tcp(5, flags)));
        assert_eq!(read.flow.opens, opens, "{flags:02x}");
    }
    for (what, proto, payload) in [
        ("TCP with four words", 6, tcp(4, 0)),
        (
            "TCP that is shorter than its options",
            6,
            edit(&tcp(5, 0), 12, &[0x60]),
        ),
        ("UDP that lies downwards", 17, udp(7, &[])),
        ("UDP-Lite of one byte", 136, udp(1, &[])),
        ("UDP-Lite of seven bytes", 136, udp(7, &[])),
    ] {
        refused(what, &ipv4(proto, &payload), Reason::Malformed);
    }
    for (what, proto, bytes) in [
        ("TCP", 6, 20),
        ("UDP", 17, 8),
        ("UDP-Lite", 136, 8),
        ("SCTP", 132, 12),
        ("DCCP", 33, 12),
        ("ICMP", 1, 8),
        ("ICMPv6", 58, 8),
    ] {
        let payload = [&tcp(5, 0)[..4], &[0, 8], &tcp(5, 0)[6..bytes]].concat();
        let frame = ipv4(proto, &payload);
        refused(what, &frame[..frame.len() - 1], Reason::Malformed);
        let len = (20 + bytes - 1) as u8;
        let ends = [edit(&frame, L3 + 2, &[0, len]), vec![0; 8]].concat();
        refused(what, &ends, Reason::Malformed);
        let short = ipv4(proto, &payload[..3]);
        refused(what, &short, Reason::Malformed);
    }
}

#[test]
fn payloads_of_udp() {
    for (what, bytes, expected) in [
        (
            "some",
            udp(11, b"abc"),
            Some(Payload { at: L4 + 8, len: 3 }),
        ),
        ("none", udp(8, &[]), Some(Payload { at: L4 + 8, len: 0 })),
        ("less than the packet has", udp(10, b"abc"), None),
        ("more than the packet has", udp(12, b"abc"), None),
    ] {
        let frame = ipv4(17, &bytes);
        let datagram = read_from(what, &frame);
        assert_eq!(udp_payload(&frame[..], &datagram), expected, "{what}");
    }
    let frame = ipv4(17, &udp(8, &[]));
    let datagram = read_from("whole", &frame);
    let lies = edit(&frame, L4 + 4, &[0, 7]);
    let short = Datagram {
        end: L4 + 7,
        ..datagram
    };
    assert_eq!(udp_payload(&lies[..], &short), None);
    assert_eq!(udp_payload(&frame[..L4], &datagram), None);
}

#[test]
fn payloads_of_tcp() {
    for (words, flags, payload, begins) in [
        (5, 0x02, &b""[..], true),
        (5, 0x18, b"abc", false),
        (6, 0x12, b"ab", true),
    ] {
        let frame = ipv4(6, &[&tcp(words, flags)[..], payload].concat());
        let datagram = read_from("segment", &frame);
        let at = L4 + usize::from(words) * 4;
        let expected = TcpPayload {
            payload: Payload {
                at,
                len: payload.len(),
            },
            sequence: 7,
            begins,
        };
        assert_eq!(
            tcp_payload(&frame[..], &datagram),
            Some(expected),
            "{words} {flags}"
        );
        let lies = edit(&frame, L4 + 12, &[0xf0]);
        assert_eq!(tcp_payload(&lies[..], &datagram), None);
        assert_eq!(tcp_payload(&frame[..L4], &datagram), None);
    }
}
