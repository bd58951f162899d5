//! Frames that may leave past the stack, and what changes in them.

use super::{
    Fate,
    hop::{Hop, Route},
};
use crate::{
    checksum::Sum,
    flow::{Addr, ECHO_V4, ECHO_V6, proto},
    packet::{Packet, Wire},
    parse::{
        Datagram,
        wire::{EtherHeader, Ipv4Header, Ipv6Header},
    },
};

/// An Ethernet header and an IPv4 header without options.
#[repr(C)]
pub struct Headers4 {
    ether: EtherHeader,
    ip: Ipv4Header,
}

/// An Ethernet header and an IPv6 header.
#[repr(C)]
pub struct Headers6 {
    ether: EtherHeader,
    ip: Ipv6Header,
}

// SAFETY: repr(C) of such headers.
unsafe impl Wire for Headers4 {}
// SAFETY: repr(C) of such headers.
unsafe impl Wire for Headers6 {}

/// What a frame must be to leave past the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// What is asked of the table of routes.
    pub route: Route,
    /// Bytes of its packet.
    pub len: u32,
    /// Whether that is one of IPv4.
    pub is_v4: bool,
    /// Link address that the frame is for.
    pub own: [u8; 6],
}

/// Shortest frame of Ethernet without its checksum; a shorter packet is padded (IEEE 802.3 section 4A.2.3.2.4).
const SHORTEST: usize = 60;

/// Reads a frame, of which `visible` bytes lie in its first buffer, `whole` in all.
///
/// # Errors
/// What sends it up the stack.
#[inline(always)]
pub fn crossing<P: Packet + ?Sized>(
    packet: &P,
    datagram: &Datagram,
    visible: usize,
    whole: usize,
) -> Result<Crossing, Fate> {
    if datagram.l3 != size_of::<EtherHeader>() {
        return Err(Fate::Tagged);
    }
    if datagram.piece.is_fragment() {
        return Err(Fate::Fragment);
    }
    if datagram.flow.is_dns_query() {
        return Err(Fate::Dns);
    }
    if datagram.end > visible || whole > datagram.end.max(SHORTEST) {
        return Err(Fate::Buffers);
    }
    let ether: &EtherHeader = packet.view(0).ok_or(Fate::Local)?;
    match ether.ether_type {
        [0x08, 0x00] => ipv4(packet, datagram),
        [0x86, 0xdd] => ipv6(packet, datagram),
        _ => Err(Fate::Local),
    }
}

#[inline(always)]
fn ipv4<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Result<Crossing, Fate> {
    const WITHOUT_OPTIONS: u8 = 0x45;

    let Headers4 { ether, ip } = packet.view(0).ok_or(Fate::Local)?;
    if ip.version_and_words != WITHOUT_OPTIONS {
        return Err(Fate::Options);
    }
    if ip.ttl <= 1 {
        return Err(Fate::TimeToLive);
    }
    if ip.proto == proto::ICMP && !matches!(datagram.flow.dst_port & 0xff00, 0 | ECHO_V4) {
        return Err(Fate::Icmp);
    }
    if !is_routed_v4(ip.src) || !is_routed_v4(ip.dst) {
        return Err(Fate::Address);
    }
    if !is_sound(ip) {
        return Err(Fate::Checksum);
    }
    Ok(Crossing {
        route: Route::new(
            Addr::v4(ip.src),
            Addr::v4(ip.dst),
            datagram.flow.interface,
            u32::from(ip.service),
        ),
        len: (datagram.end - datagram.l3) as u32,
        is_v4: true,
        own: ether.destination,
    })
}

#[inline(always)]
fn ipv6<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Result<Crossing, Fate> {
    /// Traffic class and flow label.
    const FLOW: u32 = 0x0fff_ffff_u32.to_be();
    /// Type of an echo reply.
    const REPLY: u16 = ECHO_V6 + (1 << 8);

    let Headers6 { ether, ip } = packet.view(0).ok_or(Fate::Local)?;
    if datagram.l4 != size_of::<Headers6>() {
        return Err(Fate::Options);
    }
    if ip.hop_limit <= 1 {
        return Err(Fate::TimeToLive);
    }
    if ip.next == proto::ICMPV6 && !matches!(datagram.flow.dst_port & 0xff00, ECHO_V6 | REPLY) {
        return Err(Fate::Icmp);
    }
    let (src, dst) = (Addr::v6(ip.src), Addr::v6(ip.dst));
    if !is_routed_v6(src) || !is_routed_v6(dst) {
        return Err(Fate::Address);
    }
    let [class, label, more, last] = [
        ip.version_and_class,
        ip.class_and_label[0],
        ip.class_and_label[1],
        ip.class_and_label[2],
    ];
    Ok(Crossing {
        route: Route::new(
            src,
            dst,
            datagram.flow.interface,
            u32::from_ne_bytes([class, label, more, last]) & FLOW,
        ),
        len: (datagram.end - datagram.l3) as u32,
        is_v4: false,
        own: ether.destination,
    })
}

/// Whether the sum over the header is right; the stack drops it where it is not.
#[inline(always)]
fn is_sound(ip: &Ipv4Header) -> bool {
    let first = [ip.version_and_words, ip.service];
    let sum = Sum::default()
        .pair(first)
        .pair(ip.total_len)
        .pair(ip.id)
        .pair(ip.fragment)
        .pair([ip.ttl, ip.proto])
        .pair(ip.checksum)
        .bytes(ip.src)
        .bytes(ip.dst);
    matches!(sum.field(), [0, 0])
}

/// Whether routers forward from and to an address: neither of this network or this host, nor multicast, nor
/// reserved (RFC 6890).
#[inline(always)]
const fn is_routed_v4([first, ..]: [u8; 4]) -> bool {
    first != 0 && first != 127 && first < 224
}

/// The same of IPv6: neither unspecified, loopback or with IPv4 inside, nor of its link, nor multicast.
#[inline(always)]
const fn is_routed_v6(addr: Addr) -> bool {
    let [first, ..] = addr.words();
    let first = u32::from_be(first);
    first != 0 && first >> 22 != 0x3fa && first >> 24 != 0xff
}

/// Headers that change on the way.
pub trait Headers: Wire {
    /// As the stack would send them to a next hop.
    fn forward(&mut self, hop: &Hop);
}

impl Headers for Headers4 {
    #[inline(always)]
    fn forward(&mut self, hop: &Hop) {
        self.ether.destination = hop.to_mac;
        self.ether.source = hop.from_mac;
        self.ip.ttl -= 1;
        self.ip.checksum = of_less_ttl(self.ip.checksum);
    }
}

impl Headers for Headers6 {
    #[inline(always)]
    fn forward(&mut self, hop: &Hop) {
        self.ether.destination = hop.to_mac;
        self.ether.source = hop.from_mac;
        self.ip.hop_limit -= 1;
    }
}

/// The checksum of a header whose TTL is one less, as `ip_decrease_ttl` (include/net/ip.h) has it: of the two
/// ways to write zero, the same one.
#[inline(always)]
const fn of_less_ttl(checksum: [u8; 2]) -> [u8; 2] {
    let more = u16::from_be_bytes(checksum) as u32 + 0x0100;
    ((more + (more >= 0xffff) as u32) as u16).to_be_bytes()
}

#[cfg(test)]
mod tests;
