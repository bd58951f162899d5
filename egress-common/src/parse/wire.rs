//! Headers as they lie in a packet: bytes in network order, without any check.

use crate::packet::Wire;

/// The header of Ethernet.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EtherHeader {
    pub destination: [u8; 6],
    pub source: [u8; 6],
    pub ether_type: [u8; 2],
}

/// A VLAN tag, behind the EtherType that announces it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct VlanTag {
    pub control: [u8; 2],
    pub ether_type: [u8; 2],
}

/// The header of IPv4 without options.
#[repr(C)]
pub struct Ipv4Header {
    pub version_and_words: u8,
    pub service: u8,
    pub total_len: [u8; 2],
    pub id: [u8; 2],
    pub fragment: [u8; 2],
    pub ttl: u8,
    pub proto: u8,
    pub checksum: [u8; 2],
    pub src: [u8; 4],
    pub dst: [u8; 4],
}

/// The header of IPv6.
#[repr(C)]
pub struct Ipv6Header {
    pub version_and_class: u8,
    pub class_and_label: [u8; 3],
    pub payload_len: [u8; 2],
    pub next: u8,
    pub hop_limit: u8,
    pub src: [[u8; 4]; 4],
    pub dst: [[u8; 4]; 4],
}

/// The first eight bytes of every extension header that the parser walks over.
#[repr(C)]
pub struct ExtensionHeader {
    pub next: u8,
    /// In units of 8 bytes without the first 8; of 4 bytes without the first 8 in AH; unused in a fragment header.
    pub len: u8,
    /// Offset and flags of a fragment header; type and segments left of a routing header.
    pub body: [u8; 2],
    pub rest: [u8; 4],
}

/// The header of TCP without options.
#[repr(C)]
pub struct TcpHeader {
    pub src_port: [u8; 2],
    pub dst_port: [u8; 2],
    pub sequence: [u8; 4],
    pub acknowledgment: [u8; 4],
    pub words: u8,
    pub flags: u8,
    pub window: [u8; 2],
    pub checksum: [u8; 2],
    pub urgent: [u8; 2],
}

/// The header of ICMP and ICMPv6.
#[repr(C)]
pub struct IcmpHeader {
    pub type_and_code: [u8; 2],
    pub checksum: [u8; 2],
    pub rest: [u8; 4],
}

/// Ports as every protocol that has them begins: TCP, UDP, SCTP, DCCP and UDP-Lite.
#[repr(C)]
pub struct PortsHeader {
    pub src_port: [u8; 2],
    pub dst_port: [u8; 2],
    pub rest: [u8; 4],
}

/// The header of UDP; its length covers header and payload.
#[repr(C)]
pub struct UdpHeader {
    pub src_port: [u8; 2],
    pub dst_port: [u8; 2],
    pub len: [u8; 2],
    pub checksum: [u8; 2],
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
// SAFETY: repr(C) of bytes.
unsafe impl Wire for PortsHeader {}

const _: () = {
    assert!(size_of::<EtherHeader>() == 14 && size_of::<VlanTag>() == 4);
    assert!(size_of::<Ipv4Header>() == 20 && size_of::<Ipv6Header>() == 40);
    assert!(size_of::<ExtensionHeader>() == 8);
    assert!(size_of::<TcpHeader>() == 20 && UDP_HEADER_BYTES == 8);
    assert!(size_of::<IcmpHeader>() == 8 && size_of::<PortsHeader>() == 8);
};
