//! Ethernet frames to feed to a program: what they should hold goes in, bytes come out.

use std::net::IpAddr;

use etherparse::{
    EtherType, Ethernet2Header, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, Ipv6Header,
    SingleVlanHeader, TcpHeader, UdpHeader, VlanId,
};

/// Bytes of an Ethernet header.
pub const ETHERNET: usize = 14;
/// Bytes of a VLAN tag.
pub const TAG: usize = 4;

/// One frame. Lengths are right unless an edit of the bytes makes them lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// MAC address that it comes from.
    pub mac: [u8; 6],
    /// EtherTypes of VLAN tags, the outer one first.
    pub tags: Vec<u16>,
    /// VLAN of every tag.
    pub vlan: u16,
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// Bytes of IPv4 options, a multiple of 4 up to 40; nothing in IPv6.
    pub options: Vec<u8>,
    /// Fragment of IPv4: offset in units of 8 bytes, whether more follow; then zeros fill up a unit.
    pub fragment: Option<(u16, bool)>,
    /// Number of the datagram that it is a fragment of.
    pub id: u16,
    /// Extension headers of IPv6.
    pub extensions: Vec<Extension>,
    /// What IP carries.
    pub transport: Transport,
}

/// An extension header of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// Hop-by-hop options of `8 + 8 n` bytes.
    HopByHop(u8),
    /// Destination options of `8 + 8 n` bytes.
    Destination(u8),
    /// A routing header of 8 bytes with so many segments left.
    Routing(u8),
    /// A fragment header: offset in units of 8 bytes, whether more follow; then zeros fill up a unit.
    Fragment(u16, bool),
    /// An authentication header of `8 + 4 n` bytes.
    Auth(u8),
}

/// What IP carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A TCP segment between two ports, without payload.
    Tcp(u16, u16),
    /// A TCP segment between two ports with this sequence number, these flags (RFC 9293 section 3.1), and a payload.
    Segment(u16, u16, u32, u8, Vec<u8>),
    /// The first segment of a TCP connection.
    Syn(u16, u16),
    /// A UDP datagram between two ports, with a payload.
    Udp(u16, u16, Vec<u8>),
    /// A message of the family's ICMP: type, code, and what stands behind the header.
    Icmp(u8, u8, Vec<u8>),
    /// Sixteen bytes of a protocol that begins with two ports, as SCTP, DCCP and UDP-Lite do.
    Ports(u8, u16, u16),
    /// Eight bytes of another protocol.
    Other(u8),
}

impl Frame {
    /// A plain frame.
    pub fn new(src: IpAddr, dst: IpAddr, transport: Transport) -> Self {
        Self {
            mac: [2, 0, 0, 0, 0, 1],
            tags: Vec::new(),
            vlan: 0,
            src,
            dst,
            options: Vec::new(),
            fragment: None,
            id: 0,
            extensions: Vec::new(),
            transport,
        }
    }

    /// A TCP segment, from addresses as text.
    ///
    /// # Panics
    /// A text is no address.
    pub fn tcp(src: &str, dst: &str, port: u16) -> Self {
        Self::new(addr(src), addr(dst), Transport::Tcp(40_000, port))
    }

    /// A UDP datagram, from addresses as text.
    ///
    /// # Panics
    /// A text is no address.
    pub fn udp(src: &str, dst: &str, port: u16) -> Self {
        Self::new(
            addr(src),
            addr(dst),
            Transport::Udp(40_000, port, vec![0; 12]),
        )
    }

    /// An ICMP error of this type and code from its destination about a frame that came there.
    pub fn error(about: &Self, kind: u8, code: u8) -> Self {
        let quoted = about.packet();
        Self::new(about.dst, about.src, Transport::Icmp(kind, code, quoted))
    }

    /// The frame on the wire.
    pub fn to_bytes(&self) -> Vec<u8> {
        [self.ethernet(), self.packet()].concat()
    }

    /// What it holds from the IP header on.
    pub fn packet(&self) -> Vec<u8> {
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => self.ipv4(src.octets(), dst.octets()),
            (src, dst) => self.ipv6(octets(src), octets(dst)),
        }
    }

    /// What IP carries, and zeros up to a whole unit where it `fills` one.
    fn payload(&self, fills: bool) -> Vec<u8> {
        let mut payload = self.transport.to_bytes();
        if fills {
            payload.resize(payload.len().next_multiple_of(8), 0);
        }
        payload
    }

    fn ethernet(&self) -> Vec<u8> {
        let network = match self.src {
            IpAddr::V4(_) => 0x0800,
            IpAddr::V6(_) => 0x86dd,
        };
        let mut types = self.tags.iter().copied().chain([network]);
        let header = Ethernet2Header {
            source: self.mac,
            destination: [2, 0, 0, 0, 0, 2],
            ether_type: EtherType(types.next().unwrap_or(network)),
        };
        let mut bytes = header.to_bytes().to_vec();
        for ether_type in types {
            let tag = SingleVlanHeader {
                vlan_id: VlanId::try_new(self.vlan).expect("12 bits"),
                ether_type: EtherType(ether_type),
                ..SingleVlanHeader::default()
            };
            bytes.extend(tag.to_bytes());
        }
        bytes
    }

    fn ipv4(&self, source: [u8; 4], destination: [u8; 4]) -> Vec<u8> {
        let (offset, more_fragments) = self.fragment.unwrap_or_default();
        let payload = self.payload(more_fragments);
        let header = Ipv4Header {
            total_len: (Ipv4Header::MIN_LEN + self.options.len() + payload.len()) as u16,
            identification: self.id,
            time_to_live: 64,
            protocol: IpNumber(self.transport.number(1)),
            fragment_offset: IpFragOffset::try_new(offset).expect("13 bits"),
            more_fragments,
            source,
            destination,
            options: Ipv4Options::try_from(self.options.as_slice()).expect("up to 40 bytes"),
            ..Ipv4Header::default()
        };
        [header.to_bytes().to_vec(), payload].concat()
    }

    fn ipv6(&self, source: [u8; 16], destination: [u8; 16]) -> Vec<u8> {
        let numbers = self.extensions.iter().map(|extension| extension.number());
        let mut next = numbers.chain([self.transport.number(58)]);
        let first = next.next().unwrap_or_default();
        let mut payload = Vec::new();
        for (extension, next) in self.extensions.iter().zip(next) {
            payload.extend(extension.to_bytes(next, self.id));
        }
        let fills = |extension: &Extension| matches!(extension, Extension::Fragment(_, true));
        payload.extend(self.payload(self.extensions.iter().any(fills)));
        let header = Ipv6Header {
            payload_length: payload.len() as u16,
            next_header: IpNumber(first),
            hop_limit: 64,
            source,
            destination,
            ..Ipv6Header::default()
        };
        [header.to_bytes().to_vec(), payload].concat()
    }
}

impl Extension {
    fn number(self) -> u8 {
        match self {
            Self::HopByHop(_) => 0,
            Self::Routing(_) => 43,
            Self::Fragment(..) => 44,
            Self::Auth(_) => 51,
            Self::Destination(_) => 60,
        }
    }

    fn to_bytes(self, next: u8, id: u16) -> Vec<u8> {
        let (len, body, bytes) = match self {
            Self::HopByHop(n) | Self::Destination(n) => (n, [1, 4], 8 + 8 * usize::from(n)),
            Self::Routing(left) => (0, [4, left], 8),
            Self::Fragment(offset, more) => (0, (offset << 3 | u16::from(more)).to_be_bytes(), 8),
            Self::Auth(n) => (n, [0, 0], 8 + 4 * usize::from(n)),
        };
        let mut header = vec![next, len, body[0], body[1]];
        header.resize(bytes, 0);
        if let Self::Fragment(..) = self {
            header[6..].copy_from_slice(&id.to_be_bytes());
        }
        header
    }
}

impl Transport {
    /// The protocol's number; `icmp` is that of the family's ICMP.
    fn number(&self, icmp: u8) -> u8 {
        match self {
            Self::Tcp(..) | Self::Segment(..) | Self::Syn(..) => 6,
            Self::Udp(..) => 17,
            Self::Icmp(..) => icmp,
            Self::Ports(number, ..) | Self::Other(number) => *number,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Tcp(from, to) => TcpHeader {
                ack: true,
                ..TcpHeader::new(*from, *to, 1, 65_535)
            }
            .to_bytes()
            .to_vec(),
            Self::Segment(from, to, sequence, flags, payload) => {
                let header = TcpHeader {
                    syn: flags & 0x02 != 0,
                    ack: flags & 0x10 != 0,
                    ..TcpHeader::new(*from, *to, *sequence, 65_535)
                };
                [&header.to_bytes()[..], payload].concat()
            }
            Self::Syn(from, to) => TcpHeader {
                syn: true,
                ..TcpHeader::new(*from, *to, 1, 65_535)
            }
            .to_bytes()
            .to_vec(),
            Self::Udp(from, to, payload) => {
                let header = UdpHeader {
                    source_port: *from,
                    destination_port: *to,
                    length: (8 + payload.len()) as u16,
                    checksum: 0,
                };
                [&header.to_bytes()[..], payload].concat()
            }
            Self::Icmp(kind, code, behind) => {
                [&[*kind, *code, 0, 0, 0, 0, 0, 0], &behind[..]].concat()
            }
            Self::Ports(_, from, to) => {
                let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
                bytes.resize(16, 0);
                bytes
            }
            Self::Other(_) => vec![8, 0, 0, 0, 0, 0, 0, 0],
        }
    }
}

fn octets(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn addr(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
