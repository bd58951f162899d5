//! Packet bytes to a flow.
//!
//! In: a frame from its Ethernet header on. Out: a [`Datagram`], or the [`Reason`] that settles the
//! packet without a policy. What is cut off, contradicts itself or goes beyond a bound is malformed.

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
    /// What it is of a larger datagram. It stands first: LLVM splits the first word, where a [`Reason`]
    /// would stand instead, and the verifier refuses parts of an address on the stack.
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
#[inline(always)]
pub fn parse<P: Packet + ?Sized>(packet: &P) -> Result<Datagram, Reason> {
    parse_network(packet, link(packet)?)
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

/// Parses a packet from its network header on.
///
/// # Errors
/// As [`parse`].
#[inline(always)]
pub fn parse_network<P: Packet + ?Sized>(packet: &P, network: Network) -> Result<Datagram, Reason> {
    let Network {
        ether_type,
        at,
        link,
    } = network;
    match ether_type {
        ether_type::IPV4 => ipv4(packet, at, link),
        ether_type::IPV6 => ipv6(packet, at, link),
        ether_type::ARP | ether_type::EAPOL | ether_type::LLDP | ..ether_type::LOWEST => {
            Err(Reason::LinkControl)
        }
        _ => Err(Reason::EtherType),
    }
}

#[inline(always)]
fn ipv4<P: Packet + ?Sized>(packet: &P, at: usize, link: Link) -> Result<Datagram, Reason> {
    const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;
    const OFFSET: u16 = 0x1fff;
    const WORD: usize = 4;

    let header: &Ipv4Header = packet.view(at).ok_or(Reason::Malformed)?;
    let header_len = usize::from(header.version_and_words & 0xf) * WORD;
    let total_len = usize::from(u16::from_be_bytes(header.total_len));
    let end = at + total_len;
    if header.version_and_words >> 4 != 4
        || header_len < size_of::<Ipv4Header>()
        || total_len < header_len
        || !packet.holds(end)
    {
        return Err(Reason::Malformed);
    }
    let mut ip = Ip {
        link,
        src: Addr::v4(header.src),
        dst: Addr::v4(header.dst),
        proto: header.proto,
        l3: at,
        l4: at + header_len,
        end,
        piece: Piece::WHOLE,
    };
    let fragment = u16::from_be_bytes(header.fragment);
    if fragment & MORE_FRAGMENTS_AND_OFFSET != 0 {
        let offset = fragment & OFFSET;
        // RFC 791 section 3.1: offset and total length together stay within 65,535 bytes.
        if usize::from(offset) * 8 + total_len > 0xffff {
            return Err(Reason::Malformed);
        }
        let more = fragment & MORE_FRAGMENTS_AND_OFFSET != offset;
        let id = u32::from(u16::from_be_bytes(header.id));
        ip.piece = Piece::new(offset, total_len - header_len, more, id)?;
    }
    transport(packet, ip)
}

#[inline(always)]
fn ipv6<P: Packet + ?Sized>(packet: &P, at: usize, link: Link) -> Result<Datagram, Reason> {
    let header: &Ipv6Header = packet.view(at).ok_or(Reason::Malformed)?;
    let l4 = at + size_of::<Ipv6Header>();
    let end = l4 + usize::from(u16::from_be_bytes(header.payload_len));
    if header.version_and_class >> 4 != 6 || !packet.holds(end) {
        return Err(Reason::Malformed);
    }
    let src = Addr::v6(header.src);
    let dst = Addr::v6(header.dst).judged();
    let ip = Ip {
        link,
        src,
        dst: dst.ok_or(Reason::EmbeddedAddress)?,
        proto: header.next,
        l3: at,
        l4,
        end,
        piece: Piece::WHOLE,
    };
    if src.is_v4() {
        return Err(Reason::EmbeddedAddress);
    }
    transport(packet, extensions(packet, ip)?)
}

/// IP headers read so far.
#[derive(Clone, Copy)]
struct Ip {
    link: Link,
    src: Addr,
    dst: Addr,
    proto: u8,
    l3: usize,
    l4: usize,
    end: usize,
    piece: Piece,
}

/// Walks over the extension headers of IPv6 (RFC 8200 section 4).
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, mut ip: Ip) -> Result<Ip, Reason> {
    let mut fragment_seen = false;
    let mut chain = 0;
    for _ in 0..=EXTENSIONS_MAX {
        let (unit, is_fragment) = match ip.proto {
            proto::HOP_BY_HOP | proto::ROUTING | proto::DESTINATION_OPTIONS => (8, false),
            proto::AH => (4, false),
            proto::FRAGMENT => (0, true),
            _ => return Ok(ip),
        };
        let header: &ExtensionHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
        // A routing header with segments left names another destination (RFC 5095 for type 0).
        let [_, segments_left] = header.body;
        if ip.proto == proto::ROUTING && segments_left != 0 {
            return Err(Reason::SourceRoute);
        }
        if is_fragment && fragment_seen {
            return Err(Reason::Malformed);
        }
        chain = Piece::link(chain, ip.proto, header.len, header.next);
        ip.proto = header.next;
        ip.l4 += size_of::<ExtensionHeader>() + usize::from(header.len) * unit;
        if ip.l4 > ip.end || ip.l4 > HEADERS_MAX {
            return Err(Reason::Malformed);
        }
        if is_fragment {
            fragment_seen = true;
            ip.piece = piece_of_ipv6(header, chain, ip.end - ip.l4)?;
        }
        if ip.piece.is_later() {
            return Ok(ip);
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
fn transport<P: Packet + ?Sized>(packet: &P, ip: Ip) -> Result<Datagram, Reason> {
    const WORD: usize = 4;

    /// SYN and ACK among the flags (RFC 9293 section 3.1).
    const SYN_ACK: u8 = 0x12;
    const SYN: u8 = 0x02;

    /// The common header of SCTP (RFC 9260 section 3.1), the shortest generic one of DCCP (RFC 4340
    /// section 5.1).
    const COMMON_HEADER_BYTES: usize = 12;

    let mut opens = false;
    let (src_port, dst_port) = match ip.proto {
        _ if ip.piece.is_later() => (0, 0),
        proto::TCP => {
            let tcp: &TcpHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
            let header_len = usize::from(tcp.words >> 4) * WORD;
            if header_len < size_of::<TcpHeader>() || ip.l4 + header_len > ip.end {
                return Err(Reason::Malformed);
            }
            opens = tcp.flags & SYN_ACK == SYN;
            (
                u16::from_be_bytes(tcp.src_port),
                u16::from_be_bytes(tcp.dst_port),
            )
        }
        proto::UDP => {
            let udp: &UdpHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
            if ip.l4 + UDP_HEADER_BYTES > ip.end
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
            let udp: &UdpHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
            // RFC 3828 section 3.1: the coverage is the whole datagram (0), or reaches over the header.
            let coverage = usize::from(u16::from_be_bytes(udp.len));
            if ip.l4 + UDP_HEADER_BYTES > ip.end || (1..UDP_HEADER_BYTES).contains(&coverage) {
                return Err(Reason::Malformed);
            }
            (
                u16::from_be_bytes(udp.src_port),
                u16::from_be_bytes(udp.dst_port),
            )
        }
        proto::SCTP | proto::DCCP => {
            let ports: &PortsHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
            if ip.l4 + COMMON_HEADER_BYTES > ip.end {
                return Err(Reason::Malformed);
            }
            (
                u16::from_be_bytes(ports.src_port),
                u16::from_be_bytes(ports.dst_port),
            )
        }
        proto::ICMP | proto::ICMPV6 => {
            let icmp: &IcmpHeader = packet.view(ip.l4).ok_or(Reason::Malformed)?;
            if ip.l4 + size_of::<IcmpHeader>() > ip.end {
                return Err(Reason::Malformed);
            }
            (0, u16::from_be_bytes(icmp.type_and_code))
        }
        _ => (0, 0),
    };
    Ok(Datagram {
        flow: Flow {
            src: ip.src.whole(),
            dst: ip.dst.whole(),
            src_port,
            dst_port,
            // The hook knows it, not the bytes.
            interface: 0,
            vlan: ip.link.vlan,
            mac: ip.link.mac,
            proto: ip.proto,
            later_fragment: ip.piece.is_later(),
            opens,
        },
        piece: ip.piece,
        l3: ip.l3,
        l4: ip.l4,
        end: ip.end,
    })
}

/// Where a UDP payload lies in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpPayload {
    /// Offset in the frame.
    pub at: usize,
    /// Length in bytes.
    pub len: usize,
}

/// The payload of a UDP datagram that is whole: the header's length must fill the IP payload.
#[inline(always)]
pub fn udp_payload<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<UdpPayload> {
    let udp: &UdpHeader = packet.view(datagram.l4)?;
    let len = usize::from(u16::from_be_bytes(udp.len));
    if len < UDP_HEADER_BYTES || datagram.l4 + len != datagram.end {
        return None;
    }
    Some(UdpPayload {
        at: datagram.l4 + UDP_HEADER_BYTES,
        len: len - UDP_HEADER_BYTES,
    })
}
