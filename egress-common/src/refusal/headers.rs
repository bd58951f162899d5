//! The headers of answers, from the headers of the packets that they answer.

use crate::{
    checksum::Sum,
    flow::proto,
    packet::{Packet, Wire},
    parse::{
        Datagram,
        wire::{IcmpHeader, Ipv4Header, Ipv6Header, TcpHeader},
    },
};

/// An IPv4 packet that resets a connection.
#[repr(C)]
pub struct ResetV4(Ipv4Header, TcpHeader);
/// An IPv6 packet that resets a connection.
#[repr(C)]
pub struct ResetV6(Ipv6Header, TcpHeader);
/// What stands in front of a quoted IPv4 packet.
#[repr(C)]
pub struct ErrorV4(Ipv4Header, IcmpHeader);
/// What stands in front of a quoted IPv6 packet.
#[repr(C)]
pub struct ErrorV6(Ipv6Header, IcmpHeader);

// SAFETY: repr(C) of headers, which are bytes.
unsafe impl Wire for ResetV4 {}
// SAFETY: as above.
unsafe impl Wire for ResetV6 {}
// SAFETY: as above.
unsafe impl Wire for ErrorV4 {}
// SAFETY: as above.
unsafe impl Wire for ErrorV6 {}

/// A packet that resets a connection.
pub trait Reset: Wire {
    /// The one that answers a segment.
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Self>
    where
        Self: Sized;
}

/// What stands in front of the packet that an error quotes.
pub trait Error: Wire {
    /// Bytes of the packet that it quotes at most.
    const QUOTE_MAX: usize;

    /// The one that answers a datagram by quoting so many bytes of it.
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram, quoted: usize) -> Option<Self>
    where
        Self: Sized;
}

impl Reset for ResetV4 {
    #[inline(always)]
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Self> {
        let asked: &Ipv4Header = packet.view(datagram.l3)?;
        let ip = ipv4(asked, proto::TCP, size_of::<TcpHeader>());
        let sum = Sum::default().bytes(ip.src).bytes(ip.dst);
        Some(Self(ip, tcp(packet, datagram, sum)?))
    }
}

impl Reset for ResetV6 {
    #[inline(always)]
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Self> {
        let asked: &Ipv6Header = packet.view(datagram.l3)?;
        let ip = ipv6(asked, proto::TCP, size_of::<TcpHeader>());
        let sum = Sum::default().address(ip.src).address(ip.dst);
        Some(Self(ip, tcp(packet, datagram, sum)?))
    }
}

impl Error for ErrorV4 {
    /// 576 bytes in all (RFC 1812 section 4.3.2.3).
    const QUOTE_MAX: usize = 576 - size_of::<Self>();

    #[inline(always)]
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram, quoted: usize) -> Option<Self> {
        /// Destination unreachable, communication administratively prohibited (RFC 1812 section 5.2.7.1).
        const PROHIBITED: [u8; 2] = [3, 13];

        let asked: &Ipv4Header = packet.view(datagram.l3)?;
        let ip = ipv4(asked, proto::ICMP, size_of::<IcmpHeader>() + quoted);
        let sum = packet.sum(datagram.l3, quoted)?;
        Some(Self(ip, icmp(PROHIBITED, sum)))
    }
}

impl Error for ErrorV6 {
    /// 1,280 bytes in all (RFC 4443 section 2.4).
    const QUOTE_MAX: usize = 1280 - size_of::<Self>();

    #[inline(always)]
    fn of<P: Packet + ?Sized>(packet: &P, datagram: &Datagram, quoted: usize) -> Option<Self> {
        /// Destination unreachable, communication administratively prohibited (RFC 4443 section 3.1).
        const PROHIBITED: [u8; 2] = [1, 1];

        let asked: &Ipv6Header = packet.view(datagram.l3)?;
        let len = size_of::<IcmpHeader>() + quoted;
        let ip = ipv6(asked, proto::ICMPV6, len);
        let sum = Sum::default().address(ip.src).address(ip.dst);
        let sum = pseudo(sum, proto::ICMPV6, len);
        let sum = sum.and(packet.sum(datagram.l3, quoted)?);
        Some(Self(ip, icmp(PROHIBITED, sum)))
    }
}

/// Hops that an answer may take.
const HOPS: u8 = 64;

/// Back to where a packet came from, with `len` bytes behind the header.
#[inline(always)]
pub fn ipv4(asked: &Ipv4Header, proto: u8, len: usize) -> Ipv4Header {
    const DO_NOT_FRAGMENT: [u8; 2] = [0x40, 0];
    const VERSION_AND_WORDS: u8 = 0x45;

    let total_len = ((size_of::<Ipv4Header>() + len) as u16).to_be_bytes();
    let sum = Sum::default()
        .pair([VERSION_AND_WORDS, 0])
        .pair(total_len)
        .pair(DO_NOT_FRAGMENT)
        .pair([HOPS, proto])
        .bytes(asked.dst)
        .bytes(asked.src);
    Ipv4Header {
        version_and_words: VERSION_AND_WORDS,
        service: 0,
        total_len,
        // It is never fragmented, so it needs none (RFC 6864 section 4.1).
        id: [0; 2],
        fragment: DO_NOT_FRAGMENT,
        ttl: HOPS,
        proto,
        checksum: sum.field(),
        src: asked.dst,
        dst: asked.src,
    }
}

/// Back to where a packet came from, with `len` bytes behind the header.
#[inline(always)]
pub fn ipv6(asked: &Ipv6Header, next: u8, len: usize) -> Ipv6Header {
    Ipv6Header {
        version_and_class: 0x60,
        class_and_label: [0; 3],
        payload_len: (len as u16).to_be_bytes(),
        next,
        hop_limit: HOPS,
        src: asked.dst,
        dst: asked.src,
    }
}

/// Protocol and length of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1).
#[inline(always)]
pub fn pseudo(sum: Sum, proto: u8, len: usize) -> Sum {
    sum.pair([0, proto]).pair((len as u16).to_be_bytes())
}

/// The reset that answers a segment (RFC 9293 section 3.10.7.1); `sum` is that of the addresses.
#[inline(always)]
fn tcp<P: Packet + ?Sized>(packet: &P, datagram: &Datagram, sum: Sum) -> Option<TcpHeader> {
    const FIN: u8 = 0x01;
    const SYN: u8 = 0x02;
    const RST: u8 = super::RST;
    const ACK: u8 = 0x10;
    const WORDS: u8 = 5 << 4;
    const WORD: usize = 4;

    let asked: &TcpHeader = packet.view(datagram.l4)?;
    let data = datagram.end - datagram.l4 - usize::from(asked.words >> 4) * WORD;
    let (sequence, acknowledgment, flags) = if asked.flags & ACK != 0 {
        (asked.acknowledgment, [0; 4], RST)
    } else {
        let len = data as u32 + u32::from(asked.flags & SYN) / 2 + u32::from(asked.flags & FIN);
        let next = u32::from_be_bytes(asked.sequence).wrapping_add(len);
        ([0; 4], next.to_be_bytes(), RST | ACK)
    };
    let sum = pseudo(sum, proto::TCP, size_of::<TcpHeader>())
        .pair(asked.dst_port)
        .pair(asked.src_port)
        .bytes(sequence)
        .bytes(acknowledgment)
        .pair([WORDS, flags]);
    Some(TcpHeader {
        src_port: asked.dst_port,
        dst_port: asked.src_port,
        sequence,
        acknowledgment,
        words: WORDS,
        flags,
        window: [0; 2],
        checksum: sum.field(),
        urgent: [0; 2],
    })
}

/// An error; `sum` is that of everything else in its checksum.
#[inline(always)]
fn icmp(type_and_code: [u8; 2], sum: Sum) -> IcmpHeader {
    IcmpHeader {
        type_and_code,
        checksum: sum.pair(type_and_code).field(),
        rest: [0; 4],
    }
}
