//! Packet bytes to a flow.
//!
//! In: a frame from its Ethernet header on. Out: a [`Datagram`], or the [`Reason`] that settles the
//! packet without a policy. What is cut off, contradicts itself or goes beyond a bound is malformed.
//!
//! Each header is read into the datagram before the next one is looked at. In a map's memory what was read
//! is any number to the kernel's verifier, so that it follows each part once, and not once for every way
//! through the parts before.

pub mod options;
pub mod quote;
pub(crate) mod wire;

use self::wire::{
    EtherHeader, ExtensionHeader, IcmpHeader, Ipv4Header, Ipv6Header, PortsHeader, TcpHeader,
    UDP_HEADER_BYTES, UdpHeader, VlanTag,
};
use crate::{
    flow::{Addr, Flow, proto},
    fragment::Piece,
    opaque::{opaque, settle},
    packet::Packet,
    verdict::Reason,
};

/// Headers that reach further into the frame than this many bytes are malformed.
pub const HEADERS_MAX: usize = 2048;
/// IPv6 extension headers of one packet (RFC 8200 section 4.1 names six kinds, of which one may stand twice).
pub const EXTENSIONS_MAX: usize = 7;
/// VLAN tags of one frame (IEEE 802.1ad: one service tag, one customer tag).
pub const TAGS_MAX: usize = 2;

/// An IP packet whose headers are whole.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// What it is of a larger datagram.
    pub piece: Piece,
    /// What policy judges.
    pub flow: Flow,
    /// Offset in the frame of the IP header.
    pub l3: usize,
    /// Offset in the frame of the header behind IP (of TCP, UDP, ...).
    pub l4: usize,
    /// Offset in the frame of the end of the IP payload; padding of the frame may follow.
    pub end: usize,
}

/// Bytes of an IPv4 header without options.
pub const IPV4_HEADER_BYTES: usize = size_of::<Ipv4Header>();

impl Datagram {
    /// A place to read a datagram into.
    pub const NONE: Self = Self {
        piece: Piece::WHOLE,
        flow: Flow::between(Addr::v4([0; 4]), Addr::v4([0; 4])),
        l3: 0,
        l4: 0,
        end: 0,
    };

    /// Whether IPv4 options stand between the IP header and what it carries.
    #[inline(always)]
    pub const fn has_options(&self) -> bool {
        self.flow.src.is_v4() && self.l4 - self.l3 > IPV4_HEADER_BYTES
    }
}

mod ether_type {
    pub(super) const IPV4: u16 = 0x0800;
    pub(super) const ARP: u16 = 0x0806;
    pub(super) const VLAN: u16 = 0x8100;
    pub(super) const IPV6: u16 = 0x86dd;
    pub(super) const EAPOL: u16 = 0x888e;
    pub(super) const SERVICE_VLAN: u16 = 0x88a8;
    pub(super) const LLDP: u16 = 0x88cc;
    /// Below this the field is a length, of an LLC frame (IEEE 802.3 section 3.2.6): spanning tree.
    pub(super) const LOWEST: u16 = 0x0600;
}

/// Bits of a tag's control that are the VLAN's id (IEEE 802.1Q section 9.6).
const VLAN_ID: u16 = 0x0fff;

/// Link layer's part of a flow.
#[derive(Clone, Copy)]
#[repr(C)]
struct Link {
    mac: [u8; 6],
    vlan: u16,
}

/// Where the network header of a packet begins, and what stood in front of it.
#[derive(Clone, Copy)]
pub struct Network {
    ether_type: u16,
    at: usize,
    link: Link,
}

impl Network {
    /// Of a packet that begins with its network header, as devices without a link layer have them.
    #[inline(always)]
    pub const fn bare(ether_type: u16) -> Self {
        Self {
            ether_type,
            at: 0,
            link: Link {
                mac: [0; 6],
                vlan: 0,
            },
        }
    }

    /// The same behind an outer tag that the kernel has taken off, whose control this is.
    #[inline(always)]
    #[must_use]
    pub const fn untagged(self, control: u16) -> Self {
        let link = Link {
            vlan: control & VLAN_ID,
            ..self.link
        };
        Self { link, ..self }
    }

    /// Offset of the network header.
    #[inline(always)]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Whether it is one of IPv4.
    #[inline(always)]
    pub const fn is_ipv4(&self) -> bool {
        self.ether_type == ether_type::IPV4
    }

    /// Whether it is one of IPv6.
    #[inline(always)]
    pub const fn is_ipv6(&self) -> bool {
        self.ether_type == ether_type::IPV6
    }

    /// Whether a VLAN tag stands in its place.
    #[inline(always)]
    pub const fn is_tagged(&self) -> bool {
        matches!(self.ether_type, ether_type::VLAN | ether_type::SERVICE_VLAN)
    }
}

/// Parses a frame.
///
/// # Errors
/// The reason that settles the packet without a policy; it may be one that lets it pass.
pub fn parse<P: Packet + ?Sized>(packet: &P) -> Result<Datagram, Reason> {
    let mut datagram = Datagram::NONE;
    read(packet, link(packet)?, &mut datagram)?;
    Ok(datagram)
}

/// Walks over the link layer of a frame.
///
/// # Errors
/// It is cut off.
#[inline(always)]
pub fn link<P: Packet + ?Sized>(packet: &P) -> Result<Network, Reason> {
    let ether: &EtherHeader = packet.view(0).ok_or(Reason::Malformed)?;
    let mut kind = u16::from_be_bytes(ether.ether_type);
    let mut at = size_of::<EtherHeader>();
    let mut vlan = 0;
    for tags in 0..TAGS_MAX {
        if kind != ether_type::VLAN && kind != ether_type::SERVICE_VLAN {
            break;
        }
        let tag: &VlanTag = packet.view(at).ok_or(Reason::Malformed)?;
        if tags == 0 {
            vlan = u16::from_be_bytes(tag.control) & VLAN_ID;
        }
        kind = u16::from_be_bytes(tag.ether_type);
        at += size_of::<VlanTag>();
    }
    let link = Link {
        vlan,
        mac: ether.source,
    };
    Ok(Network {
        ether_type: kind,
        at,
        link,
    })
}

/// Parses a packet from its network header on into `to`, which holds anything if it fails.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn read<P: Packet + ?Sized>(
    packet: &P,
    network: Network,
    to: &mut Datagram,
) -> Result<(), Reason> {
    to.piece = Piece::WHOLE;
    to.flow.mac = network.link.mac;
    to.flow.vlan = network.link.vlan;
    to.l3 = network.at;
    match network.ether_type {
        ether_type::IPV4 => {
            settle(to);
            ipv4(packet, to)?;
        }
        ether_type::IPV6 => {
            settle(to);
            ipv6(packet, to)?;
            extensions(packet, to)?;
        }
        ether_type::ARP | ether_type::EAPOL | ether_type::LLDP | ..ether_type::LOWEST => {
            return Err(Reason::LinkControl);
        }
        _ => return Err(Reason::EtherType),
    }
    settle(to);
    transport(packet, to)
}

#[inline(always)]
fn ipv4<P: Packet + ?Sized>(packet: &P, to: &mut Datagram) -> Result<(), Reason> {
    const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;
    const OFFSET: u16 = 0x1fff;
    const WORD: usize = 4;

    let header: &Ipv4Header = packet.view(to.l3).ok_or(Reason::Malformed)?;
    let header_len = usize::from(header.version_and_words & 0xf) * WORD;
    let total_len = usize::from(u16::from_be_bytes(header.total_len));
    let end = to.l3 + total_len;
    if header.version_and_words >> 4 != 4
        || header_len < size_of::<Ipv4Header>()
        || total_len < header_len
        || !packet.holds(end)
    {
        return Err(Reason::Malformed);
    }
    to.flow.src = Addr::v4(header.src).whole();
    to.flow.dst = Addr::v4(header.dst).whole();
    to.flow.proto = header.proto;
    to.l4 = to.l3 + header_len;
    to.end = end;
    let fragment = u16::from_be_bytes(header.fragment);
    if fragment & MORE_FRAGMENTS_AND_OFFSET != 0 {
        let offset = fragment & OFFSET;
        // RFC 791 section 3.1: offset and total length together stay within 65,535 bytes.
        if usize::from(offset) * 8 + total_len > 0xffff {
            return Err(Reason::Malformed);
        }
        let more = fragment & MORE_FRAGMENTS_AND_OFFSET != offset;
        let id = u32::from(u16::from_be_bytes(header.id));
        to.piece = Piece::new(offset, total_len - header_len, more, id)?;
    }
    Ok(())
}

#[inline(always)]
fn ipv6<P: Packet + ?Sized>(packet: &P, to: &mut Datagram) -> Result<(), Reason> {
    let header: &Ipv6Header = packet.view(to.l3).ok_or(Reason::Malformed)?;
    let l4 = to.l3 + size_of::<Ipv6Header>();
    let end = l4 + usize::from(u16::from_be_bytes(header.payload_len));
    if header.version_and_class >> 4 != 6 || !packet.holds(end) {
        return Err(Reason::Malformed);
    }
    let src = Addr::v6(header.src);
    let dst = Addr::v6(header.dst).judged();
    to.flow.src = src.whole();
    to.flow.dst = dst.ok_or(Reason::EmbeddedAddress)?.whole();
    to.flow.proto = header.next;
    to.l4 = l4;
    to.end = end;
    if src.is_v4() {
        return Err(Reason::EmbeddedAddress);
    }
    Ok(())
}

/// Walks over the extension headers of IPv6 (RFC 8200 section 4).
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, to: &mut Datagram) -> Result<(), Reason> {
    let (mut chain, mut fragments) = (0, 0);
    for _ in 0..=EXTENSIONS_MAX {
        settle(to);
        (chain, fragments) = (opaque(chain), opaque(fragments));
        let (unit, is_fragment) = match to.flow.proto {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION_OPTIONS => (8, false),
            proto::AH => (4, false),
            proto::FRAGMENT => (0, true),
            _ => return Ok(()),
        };
        let header: &ExtensionHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
        // A routing header with segments left names another destination (RFC 5095 for type 0).
        let [_, segments_left] = header.body;
        if to.flow.proto == proto::ROUTING && segments_left != 0 {
            return Err(Reason::SourceRoute);
        }
        if is_fragment && fragments != 0 {
            return Err(Reason::Malformed);
        }
        chain = u64::from(Piece::link(
            chain as u32,
            to.flow.proto,
            header.len,
            header.next,
        ));
        to.flow.proto = header.next;
        to.l4 += size_of::<ExtensionHeader>() + usize::from(header.len) * unit;
        if to.l4 > to.end || to.l4 > HEADERS_MAX {
            return Err(Reason::Malformed);
        }
        if is_fragment {
            fragments = 1;
            to.piece = piece_of_ipv6(header, chain as u32, to.end - to.l4)?;
        }
        if to.piece.is_later() {
            return Ok(());
        }
    }
    Err(Reason::Malformed)
}

/// What a fragment header says of the `len` bytes behind it. A datagram in one fragment is whole (RFC 6946).
#[inline(always)]
fn piece_of_ipv6(header: &ExtensionHeader, chain: u32, len: usize) -> Result<Piece, Reason> {
    const MORE_FRAGMENTS: u16 = 1;

    let field = u16::from_be_bytes(header.body);
    let (offset, more) = (field >> 3, field & MORE_FRAGMENTS != 0);
    if offset == 0 && !more {
        return Ok(Piece::WHOLE);
    }
    let piece = Piece::new(offset, len, more, u32::from_be_bytes(header.rest))?;
    Ok(Piece { chain, ..piece })
}

/// Reads the ports; a first fragment must hold the whole header (RFC 7112, RFC 3128).
#[inline(always)]
fn transport<P: Packet + ?Sized>(packet: &P, to: &mut Datagram) -> Result<(), Reason> {
    const WORD: usize = 4;

    /// SYN and ACK among the flags (RFC 9293 section 3.1).
    const SYN_ACK: u8 = 0x12;
    const SYN: u8 = 0x02;

    /// The common header of SCTP (RFC 9260 section 3.1), the shortest generic one of DCCP (RFC 4340
    /// section 5.1).
    const COMMON_HEADER_BYTES: usize = 12;

    let mut opens = false;
    let (src_port, dst_port) = match to.flow.proto {
        _ if to.piece.is_later() => (0, 0),
        proto::TCP => {
            let tcp: &TcpHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
            let header_len = usize::from(tcp.words >> 4) * WORD;
            if header_len < size_of::<TcpHeader>() || to.l4 + header_len > to.end {
                return Err(Reason::Malformed);
            }
            opens = tcp.flags & SYN_ACK == SYN;
            (
                u16::from_be_bytes(tcp.src_port),
                u16::from_be_bytes(tcp.dst_port),
            )
        }
        proto::UDP => {
            let udp: &UdpHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
            if to.l4 + UDP_HEADER_BYTES > to.end
                || usize::from(u16::from_be_bytes(udp.len)) < UDP_HEADER_BYTES
            {
                return Err(Reason::Malformed);
            }
            (
                u16::from_be_bytes(udp.src_port),
                u16::from_be_bytes(udp.dst_port),
            )
        }
        proto::UDP_LITE => {
            let udp: &UdpHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
            // RFC 3828 section 3.1: the coverage is the whole datagram (0), or reaches over the header.
            let coverage = usize::from(u16::from_be_bytes(udp.len));
            if to.l4 + UDP_HEADER_BYTES > to.end || (1..UDP_HEADER_BYTES).contains(&coverage) {
                return Err(Reason::Malformed);
            }
            (
                u16::from_be_bytes(udp.src_port),
                u16::from_be_bytes(udp.dst_port),
            )
        }
        proto::SCTP | proto::DCCP => {
            let ports: &PortsHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
            if to.l4 + COMMON_HEADER_BYTES > to.end {
                return Err(Reason::Malformed);
            }
            (
                u16::from_be_bytes(ports.src_port),
                u16::from_be_bytes(ports.dst_port),
            )
        }
        proto::ICMP | proto::ICMPV6 => {
            let icmp: &IcmpHeader = packet.view(to.l4).ok_or(Reason::Malformed)?;
            if to.l4 + size_of::<IcmpHeader>() > to.end {
                return Err(Reason::Malformed);
            }
            (0, u16::from_be_bytes(icmp.type_and_code))
        }
        _ => (0, 0),
    };
    to.flow.src_port = src_port;
    to.flow.dst_port = dst_port;
    // The hook knows it, not the bytes.
    to.flow.interface = 0;
    to.flow.later_fragment = to.piece.is_later();
    to.flow.opens = opens;
    Ok(())
}

/// Where what UDP or TCP carries lies in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Offset in the frame.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
}

/// The payload of a UDP datagram that is whole: the header's length must fill the IP payload.
#[inline(always)]
pub fn udp_payload<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Payload> {
    let udp: &UdpHeader = packet.view(datagram.l4)?;
    let len = usize::from(u16::from_be_bytes(udp.len));
    if len < UDP_HEADER_BYTES || datagram.l4 + len != datagram.end {
        return None;
    }
    Some(Payload {
        at: datagram.l4 + UDP_HEADER_BYTES,
        len: len - UDP_HEADER_BYTES,
    })
}

/// What a TCP segment carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpPayload {
    /// Where it lies; it may be empty.
    pub payload: Payload,
    /// Sequence number of the segment.
    pub sequence: u32,
    /// Whether the stream begins here (SYN).
    pub begins: bool,
}

/// The payload of a TCP segment.
#[inline(always)]
pub fn tcp_payload<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<TcpPayload> {
    const WORD: usize = 4;
    /// Among the flags (RFC 9293 section 3.1).
    const SYN: u8 = 0x02;

    let tcp: &TcpHeader = packet.view(datagram.l4)?;
    let at = datagram.l4 + usize::from(tcp.words >> 4) * WORD;
    if datagram.end < at {
        return None;
    }
    let len = datagram.end - at;
    Some(TcpPayload {
        payload: Payload { at, len },
        sequence: u32::from_be_bytes(tcp.sequence),
        begins: tcp.flags & SYN != 0,
    })
}

#[cfg(test)]
pub(crate) mod frame;
#[cfg(test)]
mod tests;
