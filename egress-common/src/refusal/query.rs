//! The answer to a DNS query that is not allowed: REFUSED (RFC 1035 section 4.1.1), as a resolver says it that
//! may not be asked for the name.

use super::{
    Link,
    headers::{ipv4, ipv6, pseudo},
    refusal,
};
use crate::{
    checksum::Sum,
    dns::message::HEADER_BYTES,
    flow::proto,
    packet::{Packet, Reshape, Wire},
    parse::{
        Datagram,
        wire::{Ipv4Header, Ipv6Header, UDP_HEADER_BYTES, UdpHeader},
    },
};

/// The header of a DNS message.
#[repr(C)]
struct DnsHeader {
    id: [u8; 2],
    flags: [u8; 2],
    /// Questions, answers, authorities, additional records.
    counts: [[u8; 2]; 4],
}

// SAFETY: repr(C) of bytes.
unsafe impl Wire for DnsHeader {}

const _: () = assert!(size_of::<DnsHeader>() == HEADER_BYTES as usize);

/// Turns a UDP query into its refusal; `question_end` is where its question ends in the message, and what
/// stands behind it leaves. Nothing where nobody may be answered, or where options or extension headers stand
/// between IP and UDP. Where it fails, the frame is good for nothing.
#[inline(always)]
pub fn refuse_query<P: Reshape>(
    packet: &mut P,
    datagram: &Datagram,
    question_end: usize,
) -> Option<()> {
    if datagram.flow.proto != proto::UDP || refusal(packet, datagram).is_none() {
        return None;
    }
    let asked: &DnsHeader = packet.view(datagram.l4 + UDP_HEADER_BYTES)?;
    let header = refused(asked);
    let len = UDP_HEADER_BYTES + question_end;
    let link = Link::answering(packet, datagram.l3)?;
    if datagram.flow.src.is_v4() {
        let asked: &Ipv4Header = packet.view(datagram.l3)?;
        let sum = Sum::default().bytes(asked.src).bytes(asked.dst);
        let ip = ipv4(asked, proto::UDP, len);
        let udp = udp(packet, datagram, (len, sum), &header)?;
        put(packet, datagram, (link, len), (ip, udp, header))
    } else {
        let asked: &Ipv6Header = packet.view(datagram.l3)?;
        let sum = Sum::default().address(asked.src).address(asked.dst);
        let ip = ipv6(asked, proto::UDP, len);
        let udp = udp(packet, datagram, (len, sum), &header)?;
        put(packet, datagram, (link, len), (ip, udp, header))
    }
}

/// The header of the refusal: the question stands behind it, and nothing else.
#[inline(always)]
fn refused(asked: &DnsHeader) -> DnsHeader {
    const RESPONSE: u8 = 0x80;
    const RECURSION_DESIRED: u8 = 0x01;
    const REFUSED: u8 = 5;

    let [flags, _] = asked.flags;
    DnsHeader {
        id: asked.id,
        flags: [RESPONSE | flags & RECURSION_DESIRED, REFUSED],
        counts: [[0, 1], [0; 2], [0; 2], [0; 2]],
    }
}

/// The header of UDP; `sum` is that of the addresses.
#[inline(always)]
fn udp<P: Packet + ?Sized>(
    packet: &P,
    datagram: &Datagram,
    (len, sum): (usize, Sum),
    header: &DnsHeader,
) -> Option<UdpHeader> {
    const NO_CHECKSUM: [u8; 2] = [0; 2];

    let asked: &UdpHeader = packet.view(datagram.l4)?;
    let (src_port, dst_port) = (asked.dst_port, asked.src_port);
    let bytes = (len as u16).to_be_bytes();
    let [questions, ..] = header.counts;
    let sum = pseudo(sum, proto::UDP, len)
        .pair(src_port)
        .pair(dst_port)
        .pair(bytes)
        .pair(header.id)
        .pair(header.flags)
        .pair(questions);
    let fixed = UDP_HEADER_BYTES + size_of::<DnsHeader>();
    let sum = question(packet, sum, datagram.l4 + fixed, len - fixed)?;
    let checksum = match sum.field() {
        // RFC 768: a sum of zero is sent as all ones.
        NO_CHECKSUM => [0xff; 2],
        field => field,
    };
    Some(UdpHeader {
        src_port,
        dst_port,
        len: bytes,
        checksum,
    })
}

/// With the question's `len` bytes more.
#[inline(always)]
fn question<P: Packet + ?Sized>(packet: &P, sum: Sum, at: usize, len: usize) -> Option<Sum> {
    const WORD: usize = 4;

    let sum = sum.and(packet.sum(at, len & !(WORD - 1))?);
    let rest = at + (len & !(WORD - 1));
    let mut word = [0; WORD];
    for (i, byte) in word.iter_mut().enumerate() {
        if i >= len % WORD {
            break;
        }
        *byte = packet.byte(rest + i)?;
    }
    Some(sum.bytes(word))
}

/// Puts the headers in place of the query's, which are as long.
#[inline(always)]
fn put<P: Reshape, Ip: Wire>(
    packet: &mut P,
    datagram: &Datagram,
    (link, len): (Link, usize),
    (ip, udp, header): (Ip, UdpHeader, DnsHeader),
) -> Option<()> {
    if datagram.l4 - datagram.l3 != size_of::<Ip>() {
        return None;
    }
    packet.cut(datagram.l4 + len)?;
    link.put(packet)?;
    packet.put(datagram.l3, ip)?;
    packet.put(datagram.l4, udp)?;
    packet.put(datagram.l4 + UDP_HEADER_BYTES, header)
}
