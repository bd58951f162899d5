//! Packet bytes to a flow.
//!
//! In: a frame from its Ethernet header on. Out: a [`Datagram`], or the [`Reason`] that settles the
//! packet without a policy. What is cut off, contradicts itself or goes beyond a bound is malformed.

use crate::{
    flow::{Addr, Flow, proto},
    packet::{Packet, Wire},
    verdict::Reason,
};

/// Headers that reach further into the frame than this many bytes are malformed.
pub const HEADERS_MAX: usize = 2048;
/// IPv6 extension headers of one packet (RFC 8200 section 4.1 names six kinds, of which one may stand twice).
pub const EXTENSIONS_MAX: usize = 7;
/// VLAN tags of one frame (IEEE 802.1ad: one service tag, one customer tag).
pub const TAGS_MAX: usize = 2;

/// An IP packet whose headers are whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// What policy judges.
    pub flow: Flow,
    /// Offset in the frame of the header behind IP (of TCP, UDP, ...).
    pub l4: usize,
    /// Offset in the frame of the end of the IP payload; padding of the frame may follow.
    pub end: usize,
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

#[repr(C)]
struct EtherHeader {
    destination: [u8; 6],
    source: [u8; 6],
    ether_type: [u8; 2],
}

#[repr(C)]
struct VlanTag {
    control: [u8; 2],
    ether_type: [u8; 2],
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

#[repr(C)]
struct Ipv4Header {
    version_and_words: u8,
    service: u8,
    total_len: [u8; 2],
    id: [u8; 2],
    fragment: [u8; 2],
    ttl: u8,
    proto: u8,
    checksum: [u8; 2],
    src: [u8; 4],
    dst: [u8; 4],
}

#[repr(C)]
struct Ipv6Header {
    version_and_class: u8,
    class_and_label: [u8; 3],
    payload_len: [u8; 2],
    next: u8,
    hop_limit: u8,
    src: [[u8; 4]; 4],
    dst: [[u8; 4]; 4],
}

/// The first eight bytes of every extension header that the parser walks over.
#[repr(C)]
struct ExtensionHeader {
    next: u8,
    /// In units of 8 bytes without the first 8; of 4 bytes without the first 8 in AH; unused in a fragment header.
    len: u8,
    /// Offset and flags of a fragment header; type and segments left of a routing header.
    body: [u8; 2],
    rest: [u8; 4],
}

#[repr(C)]
struct TcpHeader {
    src_port: [u8; 2],
    dst_port: [u8; 2],
    sequence: [u8; 4],
    acknowledgment: [u8; 4],
    words: u8,
    flags: u8,
    window_checksum_urgent: [u8; 6],
}

#[repr(C)]
struct IcmpHeader {
    type_and_code: [u8; 2],
    checksum: [u8; 2],
    rest: [u8; 4],
}

/// The header of UDP; its length covers header and payload.
#[repr(C)]
pub struct UdpHeader {
    src_port: [u8; 2],
    dst_port: [u8; 2],
    len: [u8; 2],
    checksum: [u8; 2],
}

/// Bytes of a UDP header.
pub const UDP_HEADER_BYTES: usize = size_of::<UdpHeader>();

// SAFETY: repr(C) of bytes.
unsafe impl Wire for EtherHeader {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for VlanTag {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for Ipv4Header {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for Ipv6Header {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for ExtensionHeader {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for TcpHeader {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for IcmpHeader {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for UdpHeader {}

const _: () = {
    assert!(size_of::<EtherHeader>() == 14 && size_of::<VlanTag>() == 4);
    assert!(size_of::<Ipv4Header>() == 20 && size_of::<Ipv6Header>() == 40);
    assert!(size_of::<ExtensionHeader>() == 8);
    assert!(size_of::<TcpHeader>() == 20 && UDP_HEADER_BYTES == 8);
    assert!(size_of::<IcmpHeader>() == 8);
};

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
        || end > packet.frame_len()
    {
        return Err(Reason::Malformed);
    }
    let fragment = u16::from_be_bytes(header.fragment);
    let ip = Ip {
        link,
        src: Addr::v4(header.src),
        dst: Addr::v4(header.dst),
        proto: header.proto,
        l4: at + header_len,
        end,
        later_fragment: fragment & OFFSET != 0,
    };
    // RFC 791 section 3.1: offset and total length together stay within 65,535 bytes.
    if fragment & MORE_FRAGMENTS_AND_OFFSET != 0
        && usize::from(fragment & OFFSET) * 8 + total_len > 0xffff
    {
        return Err(Reason::Malformed);
    }
    transport(packet, ip)
}

#[inline(always)]
fn ipv6<P: Packet + ?Sized>(packet: &P, at: usize, link: Link) -> Result<Datagram, Reason> {
    let header: &Ipv6Header = packet.view(at).ok_or(Reason::Malformed)?;
    let l4 = at + size_of::<Ipv6Header>();
    let end = l4 + usize::from(u16::from_be_bytes(header.payload_len));
    if header.version_and_class >> 4 != 6 || end > packet.frame_len() {
        return Err(Reason::Malformed);
    }
    let ip = Ip {
        link,
        src: Addr::v6(header.src),
        dst: Addr::v6(header.dst),
        proto: header.next,
        l4,
        end,
        later_fragment: false,
    };
    if ip.src.is_v4() || ip.dst.is_v4() {
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
    l4: usize,
    end: usize,
    later_fragment: bool,
}

/// Walks over the extension headers of IPv6 (RFC 8200 section 4).
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, mut ip: Ip) -> Result<Ip, Reason> {
    let mut fragment_seen = false;
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
            return Err(Reason::Malformed);
        }
        if is_fragment {
            if fragment_seen {
                return Err(Reason::Malformed);
            }
            fragment_seen = true;
            ip.later_fragment = u16::from_be_bytes(header.body) >> 3 != 0;
        }
        ip.proto = header.next;
        ip.l4 += size_of::<ExtensionHeader>() + usize::from(header.len) * unit;
        if ip.l4 > ip.end || ip.l4 > HEADERS_MAX {
            return Err(Reason::Malformed);
        }
        if ip.later_fragment {
            return Ok(ip);
        }
    }
    Err(Reason::Malformed)
}

/// Reads the ports; a first fragment must hold the whole header (RFC 7112, RFC 3128).
#[inline(always)]
fn transport<P: Packet + ?Sized>(packet: &P, ip: Ip) -> Result<Datagram, Reason> {
    const WORD: usize = 4;

    /// SYN and ACK among the flags (RFC 9293 section 3.1).
    const SYN_ACK: u8 = 0x12;
    const SYN: u8 = 0x02;

    let mut opens = false;
    let (src_port, dst_port) = match ip.proto {
        _ if ip.later_fragment => (0, 0),
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
            later_fragment: ip.later_fragment,
            opens,
        },
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
