use etherparse::{
    EtherType, Ethernet2Header, Icmpv4Slice, Icmpv6Slice, IpNumber, Ipv4Header, LaxSlicedPacket,
    NetSlice, PacketBuilder, SlicedPacket, TcpHeader, TcpHeaderSlice, TransportSlice, VlanId,
};

use super::*;
use crate::parse::parse;

const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 1];
const GATEWAY: [u8; 6] = [2, 0, 0, 0, 0, 2];
const C4: [u8; 4] = [10, 20, 0, 2];
const D4: [u8; 4] = [203, 0, 113, 5];
const C6: [u8; 16] = [0xfd, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
const D6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];

fn segment(v6: bool, tcp: &TcpHeader, data: &[u8]) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(CLIENT, GATEWAY);
    let ip = match v6 {
        false => link.ipv4(C4, D4, 64),
        true => link.ipv6(C6, D6, 64),
    };
    let mut frame = Vec::new();
    ip.tcp_header(tcp.clone()).write(&mut frame, data).unwrap();
    frame
}

fn datagram(v6: bool, tags: usize, bytes: usize) -> Vec<u8> {
    let link = PacketBuilder::ethernet2(CLIENT, GATEWAY);
    let vlan = |id| VlanId::try_new(id).unwrap();
    let link = match tags {
        0 => None,
        1 => Some(PacketBuilder::ethernet2(CLIENT, GATEWAY).single_vlan(vlan(7))),
        _ => Some(PacketBuilder::ethernet2(CLIENT, GATEWAY).double_vlan(vlan(7), vlan(8))),
    }
    .map_or_else(
        || match v6 {
            false => link.ipv4(C4, D4, 64),
            true => link.ipv6(C6, D6, 64),
        },
        |link| match v6 {
            false => link.ipv4(C4, D4, 64),
            true => link.ipv6(C6, D6, 64),
        },
    );
    let data: Vec<u8> = (0..bytes).map(|i| i as u8).collect();
    let mut frame = Vec::new();
    link.udp(40_000, 53).write(&mut frame, &data).unwrap();
    frame
}

fn answered(frame: &[u8]) -> Option<Vec<u8>> {
    let datagram = parse(frame).unwrap();
    let refusal = refusal(frame, &datagram)?;
    let mut frame = frame.to_vec();
    assert!(answer(&mut frame, &datagram, refusal));
    Some(frame)
}

/// Addresses and checksums of the IP header are those of an answer.
fn check_network(packet: &SlicedPacket<'_>) {
    let link = packet
        .link
        .as_ref()
        .unwrap()
        .to_header()
        .unwrap()
        .ethernet2()
        .unwrap();
    assert_eq!((link.source, link.destination), (GATEWAY, CLIENT));
    match packet.net.as_ref().unwrap() {
        NetSlice::Ipv4(v4) => {
            let header: Ipv4Header = v4.header().to_header();
            assert_eq!((header.source, header.destination), (D4, C4));
            assert_eq!(header.header_checksum, header.calc_header_checksum());
        }
        NetSlice::Ipv6(v6) => {
            assert_eq!((v6.header().source(), v6.header().destination()), (D6, C6));
        }
        NetSlice::Arp(_) => panic!("ARP"),
    }
}

#[test]
fn a_segment_is_answered_by_the_reset_that_its_sender_accepts() {
    let syn = TcpHeader {
        syn: true,
        ..TcpHeader::new(40_000, 443, u32::MAX, 65_535)
    };
    let data = TcpHeader {
        ack: true,
        acknowledgment_number: 77,
        ..TcpHeader::new(40_000, 443, 5, 65_535)
    };
    let fin = TcpHeader {
        fin: true,
        ..TcpHeader::new(40_000, 443, 5, 65_535)
    };
    let mut optioned = syn.clone();
    optioned
        .set_options_raw(&[2, 4, 5, 0xb4, 1, 1, 1, 1])
        .unwrap();
    // What was sent, its data, and sequence and acknowledgment of the answer.
    let table = [
        (syn, vec![], 0, Some(0)),
        (optioned, vec![], 0, Some(0)),
        (data, vec![9; 100], 77, None),
        (fin, vec![9; 3], 0, Some(9)),
    ];
    for (tcp, data, sequence, acknowledgment) in table {
        for v6 in [false, true] {
            let answer = answered(&segment(v6, &tcp, &data)).unwrap();
            let packet = SlicedPacket::from_ethernet(&answer).unwrap();
            check_network(&packet);
            let Some(TransportSlice::Tcp(reset)) = packet.transport else {
                panic!("no TCP in {answer:02x?}");
            };
            assert!(reset.rst() && !reset.syn() && !reset.fin());
            assert_eq!(
                (reset.source_port(), reset.destination_port()),
                (443, 40_000)
            );
            assert_eq!(reset.sequence_number(), sequence);
            assert_eq!(reset.ack(), acknowledgment.is_some());
            assert_eq!(reset.acknowledgment_number(), acknowledgment.unwrap_or(0));
            let header = TcpHeaderSlice::from_slice(reset.slice()).unwrap();
            let checksum = match v6 {
                false => header.calc_checksum_ipv4_raw(D4, C4, &[]).unwrap(),
                true => header.calc_checksum_ipv6_raw(D6, C6, &[]).unwrap(),
            };
            assert_eq!(reset.checksum(), checksum);
        }
    }
}

#[test]
fn anything_else_is_answered_by_an_error_that_quotes_it() {
    for v6 in [false, true] {
        for tags in 0..=2 {
            for bytes in [0, 1, 2, 3, 4, 100, 548, 549, 1000, 1232, 1233, 4000] {
                let asked = datagram(v6, tags, bytes);
                check_error(&asked, &answered(&asked).unwrap(), 14 + 4 * tags);
            }
        }
    }
}

fn check_error(asked: &[u8], answer: &[u8], l3: usize) {
    assert_eq!(asked[12..l3], answer[12..l3], "VLAN tags and EtherType");
    let packet = SlicedPacket::from_ethernet(answer).unwrap();
    check_network(&packet);
    let (quoted, most) = match packet.transport.unwrap() {
        TransportSlice::Icmpv4(icmp) => {
            let slice: Icmpv4Slice<'_> = icmp;
            assert_eq!((slice.type_u8(), slice.code_u8()), (3, 13));
            assert_eq!(checksum(slice.slice()), 0);
            (slice.payload().to_vec(), 548)
        }
        TransportSlice::Icmpv6(icmp) => {
            let slice: Icmpv6Slice<'_> = icmp;
            assert_eq!((slice.type_u8(), slice.code_u8()), (1, 1));
            assert!(slice.is_checksum_valid(D6, C6));
            (slice.payload().to_vec(), 1232)
        }
        other => panic!("{other:?}"),
    };
    let whole = asked.len() - l3;
    assert_eq!(quoted.len(), whole.min(most) & !3);
    assert_eq!(quoted, asked[l3..l3 + quoted.len()]);
    let inner = LaxSlicedPacket::from_ip(&quoted).unwrap();
    assert!(inner.net.is_some());
}

/// The sum of pairs, which is 0 where the checksum is right.
fn checksum(bytes: &[u8]) -> u16 {
    let pairs = bytes.chunks(2);
    let sum: u32 = pairs
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}

#[test]
fn nobody_is_answered_who_must_not_be() {
    let syn = TcpHeader {
        syn: true,
        ..TcpHeader::new(40_000, 443, 1, 65_535)
    };
    let reset = TcpHeader {
        rst: true,
        ..syn.clone()
    };
    let patched = |at: usize, with: &[u8]| {
        let mut frame = segment(false, &syn, &[]);
        frame[at..at + with.len()].copy_from_slice(with);
        frame
    };
    let icmp = |kind: u8| {
        let link = Ethernet2Header {
            source: CLIENT,
            destination: GATEWAY,
            ether_type: EtherType::IPV4,
        };
        let ip = Ipv4Header::new(8, 64, IpNumber::ICMP, C4, D4).unwrap();
        [
            &link.to_bytes()[..],
            &ip.to_bytes(),
            &[kind, 0, 0, 0, 0, 0, 0, 0],
        ]
        .concat()
    };
    let table = [
        ("a segment", segment(false, &syn, &[]), Some(Refusal::Reset)),
        ("a reset", segment(false, &reset, &[]), None),
        (
            "to several machines of the link",
            patched(0, &[1, 0, 0x5e]),
            None,
        ),
        ("to everybody", patched(0, &[0xff; 6]), None),
        ("from several machines", patched(6, &[1]), None),
        ("from nobody", patched(26, &[0; 4]), None),
        ("from a group", patched(26, &[224, 0, 0, 9]), None),
        ("to a group", patched(30, &[239, 1, 1, 1]), None),
        (
            "a first fragment",
            {
                let mut frame = patched(20, &[0x20, 0]);
                frame[16..18].copy_from_slice(&44u16.to_be_bytes());
                frame.extend([0; 4]);
                frame
            },
            Some(Refusal::Prohibited),
        ),
        ("a later fragment", patched(20, &[0, 3]), None),
        ("a ping", icmp(8), Some(Refusal::Prohibited)),
        ("an error", icmp(3), None),
        ("a redirect", icmp(5), None),
        ("time exceeded", icmp(11), None),
    ];
    for (what, frame, expected) in table {
        let datagram = parse(&frame[..]).unwrap();
        assert_eq!(refusal(&frame[..], &datagram), expected, "{what}");
    }
}
