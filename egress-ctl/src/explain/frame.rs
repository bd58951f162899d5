//! The packet that is asked about, on the wire.
//!
//! In: a question, and one of the addresses that it is about. Out: an Ethernet frame with right lengths and
//! checksums: the first packet of a connection, a DNS query, an echo request, or eight bytes of another
//! protocol. Over TCP a query is what follows the handshake.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use egress_common::flow::proto;

use super::{query::Query, question::Question};

/// Source port of every packet that is asked about.
const SOURCE_PORT: u16 = 40_000;
/// Where it goes on the link; the gateway's address does not matter to policy.
const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];

/// The frame of a packet to `dst`, which is of the client's family.
pub fn frame(question: &Question, dst: IpAddr) -> Option<Vec<u8>> {
    let (number, port) = question.destination.service(dst.is_ipv4());
    let payload = match &question.query {
        Some(query) => carrying(query, number, port),
        None => payload(number, port),
    };
    let (ether_type, packet) = match (question.client, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => (0x0800_u16, ipv4(src, dst, number, payload)),
        (IpAddr::V6(src), IpAddr::V6(dst)) => (0x86dd, ipv6(src, dst, number, payload)),
        _ => return None,
    };
    let mut frame = [GATEWAY_MAC, question.mac].concat();
    if question.vlan != 0 {
        frame.extend(0x8100_u16.to_be_bytes());
        frame.extend(question.vlan.to_be_bytes());
    }
    frame.extend(ether_type.to_be_bytes());
    frame.extend(packet);
    Some(frame)
}

/// A datagram or a segment with a query, as [`payload`].
fn carrying(query: &Query, number: u8, port: u16) -> Vec<u8> {
    let message = query.carried_by(number);
    let [high, low] = (8 + message.len() as u16).to_be_bytes();
    let rest: &[u8] = match number {
        // The byte behind the SYN, all of the other end acknowledged, PSH and ACK.
        proto::TCP => &[0, 0, 0, 2, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0],
        _ => &[high, low, 0, 0],
    };
    [&ports(port), rest, &message].concat()
}

fn ports(port: u16) -> Vec<u8> {
    [SOURCE_PORT.to_be_bytes(), port.to_be_bytes()].concat()
}

/// What IP carries; its checksum is still zero.
fn payload(number: u8, port: u16) -> Vec<u8> {
    let rest: &[u8] = match number {
        // Sequence, acknowledgment, five words, SYN, window, checksum, no urgent data.
        proto::TCP => &[0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0],
        // Eight bytes, checksum.
        proto::UDP => &[0, 8, 0, 0],
        // No tag yet, checksum, and an INIT chunk (RFC 9260 section 3.3.2) of 20 bytes.
        proto::SCTP => &[
            0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0,
            1,
        ],
        // Coverage of the header, checksum (RFC 3828 section 3.1).
        proto::UDP_LITE => &[0, 8, 0, 0],
        // A request of five words with a long sequence number, and its service code (RFC 4340 section 5.2).
        proto::DCCP => &[5, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
        proto::ICMP | proto::ICMPV6 => {
            let [kind, code] = port.to_be_bytes();
            return vec![kind, code, 0, 0, 0, 1, 0, 1];
        }
        _ => return vec![0; 8],
    };
    [&ports(port), rest].concat()
}

/// An IPv4 packet with right checksums; that of `payload` is still zero.
pub(crate) fn ipv4(src: Ipv4Addr, dst: Ipv4Addr, number: u8, mut payload: Vec<u8>) -> Vec<u8> {
    const HEADER: usize = 20;
    let len = (HEADER + payload.len()) as u16;
    let [len_high, len_low] = len.to_be_bytes();
    let mut header = vec![0x45, 0, len_high, len_low, 0, 0, 0x40, 0, 64, number, 0, 0];
    header.extend(src.octets());
    header.extend(dst.octets());
    let sum = checksum(&header);
    put(&mut header, 10, sum);
    let pseudo = [&src.octets()[..], &dst.octets(), &pseudo(number, &payload)].concat();
    close(number, &pseudo, &mut payload);
    [header, payload].concat()
}

/// An IPv6 packet, likewise.
pub(crate) fn ipv6(src: Ipv6Addr, dst: Ipv6Addr, number: u8, mut payload: Vec<u8>) -> Vec<u8> {
    let [len_high, len_low] = (payload.len() as u16).to_be_bytes();
    let mut header = vec![0x60, 0, 0, 0, len_high, len_low, number, 64];
    header.extend(src.octets());
    header.extend(dst.octets());
    let pseudo = [&src.octets()[..], &dst.octets(), &pseudo(number, &payload)].concat();
    close(number, &pseudo, &mut payload);
    [header, payload].concat()
}

/// Protocol and length, as both families have them behind the addresses of the pseudo header (RFC 9293
/// section 3.1, RFC 8200 section 8.1); zeros do not change the sum.
fn pseudo(number: u8, payload: &[u8]) -> [u8; 4] {
    let [high, low] = (payload.len() as u16).to_be_bytes();
    [0, number, high, low]
}

/// Writes the checksum of a payload. That of SCTP is another one (CRC32c), which no gateway looks at.
fn close(number: u8, pseudo: &[u8], payload: &mut [u8]) {
    let (at, sum) = match number {
        proto::TCP => (16, checksum(&[pseudo, payload].concat())),
        proto::UDP | proto::UDP_LITE | proto::DCCP => (6, checksum(&[pseudo, payload].concat())),
        proto::ICMP => (2, checksum(payload)),
        proto::ICMPV6 => (2, checksum(&[pseudo, payload].concat())),
        _ => return,
    };
    put(payload, at, sum);
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|word| match word {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [high] => u16::from_be_bytes([*high, 0]),
        _ => 0,
    });
    let mut sum: u32 = words.map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use egress_common::{
        flow::{Addr, Flow},
        parse::parse,
    };

    use super::*;

    fn question(client: &str, destination: &str, vlan: u16) -> Question {
        Question {
            client: client.parse().unwrap(),
            destination: destination.parse().unwrap(),
            query: None,
            interface: 0,
            vlan,
            mac: [2, 0, 0, 0, 0, 7],
        }
    }

    #[test]
    fn the_frame_is_parsed_as_what_was_asked() {
        let table = [
            ("10.0.0.1", "192.0.2.1:80", 0, 6, 80),
            ("10.0.0.1", "192.0.2.1:53/udp", 30, 17, 53),
            ("10.0.0.1", "192.0.2.1/icmp", 0, 1, 0x0800),
            ("fd00::1", "[2001:db8::1]:443", 30, 6, 443),
            ("fd00::1", "[2001:db8::1]:443/udp", 0, 17, 443),
            ("fd00::1", "2001:db8::1/icmp", 0, 58, 0x8000),
            ("10.0.0.1", "192.0.2.1:5060/sctp", 0, 132, 5060),
            ("10.0.0.1", "192.0.2.1:5004/dccp", 0, 33, 5004),
            ("fd00::1", "[2001:db8::1]:5006/udplite", 0, 136, 5006),
            ("10.0.0.1", "192.0.2.1/47", 0, 47, 0),
        ];
        for (client, destination, vlan, number, port) in table {
            let question = question(client, destination, vlan);
            let super::super::question::Target::Address(dst) = question.destination.target else {
                panic!("an address");
            };
            let frame = frame(&question, dst).unwrap();
            let flow = parse(&frame[..]).unwrap().flow;
            let expected = Flow {
                src_port: if [6, 17, 33, 132, 136].contains(&number) {
                    SOURCE_PORT
                } else {
                    flow.src_port
                },
                dst_port: port,
                mac: question.mac,
                vlan,
                proto: number,
                opens: number == 6,
                ..Flow::between(Addr::from(question.client), Addr::from(dst))
            };
            assert_eq!(flow, expected, "{client} {destination}");
        }
    }

    #[test]
    fn checksums_are_right() {
        // A sum over data with its right checksum is zero (RFC 1071 section 1).
        let question = question("10.0.0.1", "192.0.2.1:80", 0);
        let frame = frame(&question, "192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(checksum(&frame[14..34]), 0);
        let pseudo = [&frame[26..34], &[0, 6, 0, 20]].concat();
        assert_eq!(checksum(&[&pseudo, &frame[34..]].concat()), 0);
    }

    #[test]
    fn a_query_is_carried_whole() {
        for (destination, header) in [("192.0.2.1:53/udp", 8), ("192.0.2.1:53/tcp", 22)] {
            let question = Question {
                query: Some("www.example.org".parse().unwrap()),
                ..question("10.0.0.1", destination, 0)
            };
            let frame = frame(&question, "192.0.2.1".parse().unwrap()).unwrap();
            let flow = parse(&frame[..]).unwrap().flow;
            assert!(flow.is_dns_query() && !flow.opens, "{flow:?}");
            assert_eq!(frame.len(), 14 + 20 + header + 33, "{destination}");
            let len = (frame.len() - 34) as u8;
            let pseudo = [&frame[26..34], &[0, flow.proto, 0, len]].concat();
            assert_eq!(checksum(&[&pseudo, &frame[34..]].concat()), 0);
        }
    }

    #[test]
    fn families_do_not_mix() {
        let question = question("10.0.0.1", "2001:db8::1", 0);
        assert_eq!(frame(&question, "2001:db8::1".parse().unwrap()), None);
    }
}
