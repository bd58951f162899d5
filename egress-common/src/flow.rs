//! A flow: who talks to whom, as far as policy cares.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::opaque::opaque;

/// An IPv4 or IPv6 address as four words in network byte order; IPv4 as `::ffff:a.b.c.d`
/// (RFC 4291 section 2.5.5.2), so that one table serves both families.
///
/// Words rather than bytes, so that the kernel program copies and compares it in four steps.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr([u32; 4]);

const _: () = assert!(size_of::<Addr>() == 16 && align_of::<Addr>() == 4);

/// Bits of the mapped prefix in front of an IPv4 address.
pub const V4_PREFIX_BITS: u32 = 96;
/// `0xffff` of the mapped prefix, in network byte order.
const MAPPED: u32 = 0x0000_ffff_u32.to_be();
/// First word of the NAT64 prefixes (RFC 6052 section 2.1, RFC 8215 section 3).
const NAT64_FIRST: u32 = 0x0064_ff9b;
/// First 16 bits of 6to4 (RFC 3056 section 2).
const SIX_TO_FOUR: u32 = 0x2002;
/// First word of Teredo (RFC 4380 section 2.6).
const TEREDO: u32 = 0x2001_0000;

impl Addr {
    /// From the four bytes of an IPv4 header.
    #[inline(always)]
    pub const fn v4(bytes: [u8; 4]) -> Self {
        Self([0, 0, MAPPED, u32::from_ne_bytes(bytes)])
    }

    /// From the sixteen bytes of an IPv6 header, as four words.
    #[inline(always)]
    pub const fn v6(words: [[u8; 4]; 4]) -> Self {
        let [a, b, c, d] = words;
        Self([
            u32::from_ne_bytes(a),
            u32::from_ne_bytes(b),
            u32::from_ne_bytes(c),
            u32::from_ne_bytes(d),
        ])
    }

    /// The same in whole words. Where LLVM takes one apart into bytes, it writes these to the stack one by
    /// one and at odd offsets, which the verifier refuses.
    #[inline(always)]
    #[must_use]
    pub fn whole(self) -> Self {
        Self(self.0.map(|word| opaque(u64::from(word)) as u32))
    }

    /// The words, in network byte order.
    #[inline(always)]
    pub const fn words(&self) -> [u32; 4] {
        self.0
    }

    /// The bits of an IPv4 address, as a number.
    #[inline(always)]
    pub const fn v4_bits(&self) -> Option<u32> {
        if self.is_v4() {
            Some(u32::from_be(self.0[3]))
        } else {
            None
        }
    }

    /// The first and the last 64 bits, as numbers.
    #[inline(always)]
    pub const fn halves(&self) -> [u64; 2] {
        let [a, b, c, d] = self.0;
        [
            (u32::from_be(a) as u64) << 32 | u32::from_be(b) as u64,
            (u32::from_be(c) as u64) << 32 | u32::from_be(d) as u64,
        ]
    }

    /// From these.
    #[inline(always)]
    pub const fn from_halves([first, second]: [u64; 2]) -> Self {
        Self([
            ((first >> 32) as u32).to_be(),
            (first as u32).to_be(),
            ((second >> 32) as u32).to_be(),
            (second as u32).to_be(),
        ])
    }

    /// Whether this is an IPv4 address.
    #[inline(always)]
    pub const fn is_v4(&self) -> bool {
        self.0[0] == 0 && self.0[1] == 0 && self.0[2] == MAPPED
    }

    /// Whether the kernel never routes packets to this destination: limited broadcast, IPv4
    /// local multicast (224.0.0.0/24), IPv6 link-local unicast, interface- and link-local multicast.
    /// Discovery of neighbours and routers, and DHCP, use these (RFC 4861, RFC 2131, RFC 8415).
    #[inline(always)]
    pub const fn is_link_scope(&self) -> bool {
        let last = u32::from_be(self.0[3]);
        if self.is_v4() {
            return last == u32::MAX || last >> 8 == 0x00e0_0000;
        }
        let first = u32::from_be(self.0[0]);
        let multicast_scope = (first >> 16) & 0xf;
        first >> 22 == 0x3fa || (first >> 24 == 0xff && matches!(multicast_scope, 1 | 2))
    }

    /// What policy judges in place of this IPv6 address: behind the well-known NAT64 prefix
    /// (64:ff9b::/96, RFC 6052) the IPv4 address that the packet goes on to, any other as it is. Nothing
    /// where an IPv4 address is hidden inside: mapped, of 6to4 (2002::/16), of Teredo (2001::/32), of a
    /// local NAT64 prefix (64:ff9b:1::/48, whose form only its translator knows, RFC 8215), or one behind
    /// 64:ff9b::/96 that is not public, which RFC 6052 section 3.1 forbids there.
    #[inline(always)]
    pub const fn judged(&self) -> Option<Self> {
        let [a, b, c, d] = self.0;
        let first = u32::from_be(a);
        if first == NAT64_FIRST {
            return if b != 0 || c != 0 || is_special_v4(u32::from_be(d)) {
                None
            } else {
                Some(Self([0, 0, MAPPED, d]))
            };
        }
        if self.is_v4() || first >> 16 == SIX_TO_FOUR || first == TEREDO {
            return None;
        }
        Some(*self)
    }

    /// The address that an answer with this one teaches: the one that packets to it are judged by.
    #[inline(always)]
    pub const fn learned_as(&self) -> Self {
        match self.judged() {
            Some(judged) => judged,
            None => *self,
        }
    }

    /// The same with its first three bits turned: an address that no machine has, whichever this one is of
    /// those that any has (2000::/3, fc00::/7, fe80::/10, and `::/8` with IPv4 in it). Under it stands something
    /// else of this one in a table of addresses.
    #[inline(always)]
    #[must_use]
    pub const fn shadow(self) -> Self {
        const TURNED: u32 = 0xe000_0000_u32.to_be();
        let [a, b, c, d] = self.0;
        Self([a ^ TURNED, b, c, d])
    }

    /// Whether it stands for one machine: neither unspecified nor multicast nor limited broadcast.
    #[inline(always)]
    pub const fn is_unicast(&self) -> bool {
        let [a, b, c, d] = self.0;
        if self.is_v4() {
            return d != 0 && u32::from_be(d) >> 28 < 0xe;
        }
        (a | b | c | d) != 0 && u32::from_be(a) >> 24 != 0xff
    }

    /// Whether an answer that gives this address teaches nothing: no client reaches a public
    /// service at a private, shared, loopback, link-local, multicast or unspecified address (RFC 6890;
    /// a defence against DNS rebinding), nor through 6to4 (2002::/16) or Teredo (2001::/32), which hold
    /// any IPv4 address. Behind the NAT64 prefixes (64:ff9b::/96, 64:ff9b:1::/48) counts the IPv4 address.
    #[inline(always)]
    pub const fn is_special(&self) -> bool {
        let [a, b, c, d] = self.0;
        let (first, last) = (u32::from_be(a), u32::from_be(d));
        if self.is_v4() {
            return is_special_v4(last);
        }
        if first == NAT64_FIRST {
            return b != 0 || c != 0 || is_special_v4(last);
        }
        // ::/32 holds unspecified, loopback, IPv4-compatible; fc00::/7, fe80::/10, fec0::/10, ff00::/8.
        first == 0
            || first >> 25 == 0x7e
            || first >> 23 == 0x1fd
            || first >> 24 == 0xff
            || first >> 16 == SIX_TO_FOUR
            || first == TEREDO
    }
}

/// Whether no public service has this IPv4 address (RFC 6890).
#[inline(always)]
const fn is_special_v4(addr: u32) -> bool {
    matches!(addr >> 24, 0 | 10 | 127)
        || addr >> 22 == (100 << 2) + 1
        || addr >> 16 == 0xa9fe
        || addr >> 20 == 0xac1
        || addr >> 16 == 0xc0a8
        || addr >> 28 >= 0xe
}

impl From<IpAddr> for Addr {
    fn from(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(v4) => Self::v4(v4.octets()),
            IpAddr::V6(v6) => {
                let bits = v6.to_bits();
                let word = |shift: u32| ((bits >> shift) as u32).to_be();
                Self([word(96), word(64), word(32), word(0)])
            }
        }
    }
}

impl From<Addr> for IpAddr {
    fn from(addr: Addr) -> Self {
        let bits = addr
            .0
            .iter()
            .fold(0, |bits, word| bits << 32 | u128::from(u32::from_be(*word)));
        if addr.is_v4() {
            Self::V4(Ipv4Addr::from_bits(bits as u32))
        } else {
            Self::V6(Ipv6Addr::from_bits(bits))
        }
    }
}

/// IP protocol numbers (IANA) that the parser and the judge name.
pub mod proto {
    /// IPv6 hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// Datagram Congestion Control Protocol.
    pub const DCCP: u8 = 33;
    /// IPv6 routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6 fragment header.
    pub const FRAGMENT: u8 = 44;
    /// Encapsulating Security Payload.
    pub const ESP: u8 = 50;
    /// Authentication header.
    pub const AH: u8 = 51;
    /// ICMP of IPv6.
    pub const ICMPV6: u8 = 58;
    /// IPv6 destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
    /// Stream Control Transmission Protocol.
    pub const SCTP: u8 = 132;
    /// UDP with a checksum over a part (RFC 3828).
    pub const UDP_LITE: u8 = 136;
}

/// Type of an echo request (RFC 792), as the high byte of a flow's destination port.
pub const ECHO_V4: u16 = 8 << 8;
/// Type of an echo request of IPv6 (RFC 4443 section 4.1), in the same place.
pub const ECHO_V6: u16 = 128 << 8;

/// Type of the reply to one, in the same place.
const ECHO_REPLY_V4: u16 = 0;
/// Type of the reply to one of IPv6, in the same place.
const ECHO_REPLY_V6: u16 = 129 << 8;

/// UDP and TCP port of DNS (RFC 1035 section 4.2).
pub const DNS_PORT: u16 = 53;

/// Port of DNS over TLS (TCP, RFC 7858) and over QUIC (UDP, RFC 9250).
pub const ENCRYPTED_DNS_PORT: u16 = 853;

/// One packet, as far as policy cares.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Source port; 0 where the protocol has none.
    pub src_port: u16,
    /// Destination port; of ICMP the type in the high byte and the code in the low one; 0 where the
    /// protocol has neither.
    pub dst_port: u16,
    /// Index of the interface that it came in by; 0 where that is not known.
    pub interface: u32,
    /// MAC address that it came from; zeros where the device has none. It stands where its copy is aligned:
    /// the verifier refuses another one.
    pub mac: [u8; 6],
    /// VLAN of the outer tag; 0 where there is none.
    pub vlan: u16,
    /// IP protocol number behind all extension headers.
    pub proto: u8,
    /// Whether this is a fragment other than the first, which has no ports.
    pub later_fragment: bool,
    /// Whether this is the first segment of a TCP connection (SYN without ACK).
    pub opens: bool,
}

/// What tells connections apart.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Source address.
    pub src: Addr,
    /// Destination address.
    pub dst: Addr,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// IP protocol number.
    pub proto: u32,
}

const _: () = assert!(size_of::<FlowKey>() == 40);

impl Flow {
    /// A flow between two addresses, of which nothing else is known.
    pub const fn between(src: Addr, dst: Addr) -> Self {
        Self {
            src,
            dst,
            src_port: 0,
            dst_port: 0,
            interface: 0,
            vlan: 0,
            mac: [0; 6],
            proto: 0,
            later_fragment: false,
            opens: false,
        }
    }

    /// Writes down the packet that this one, on its way to a client, answers: what came from there would look so. Of an
    /// echo reply it is the request; any other ICMP message answers one of its own type.
    #[inline(always)]
    pub fn answered(&self, asked: &mut Self) {
        let ports = match (self.proto, self.dst_port) {
            (proto::ICMP, ECHO_REPLY_V4) => (0, ECHO_V4),
            (proto::ICMPV6, ECHO_REPLY_V6) => (0, ECHO_V6),
            (proto::ICMP | proto::ICMPV6, message) => (0, message),
            (_, to) => (to, self.src_port),
        };
        *asked = *self;
        (asked.src, asked.dst) = (self.dst, self.src);
        (asked.src_port, asked.dst_port) = ports;
        asked.opens = false;
    }

    /// The connection that the packet belongs to.
    #[inline(always)]
    pub const fn key(&self) -> FlowKey {
        FlowKey {
            src: self.src,
            dst: self.dst,
            src_port: self.src_port,
            dst_port: self.dst_port,
            proto: self.proto as u32,
        }
    }

    /// How long a connection may be silent and still goes on, in ms; 0 where the protocol has no
    /// connections. RFC 5382 REQ-5 wants two hours and four minutes of TCP, RFC 4787 REQ-5 two
    /// minutes of UDP.
    #[inline(always)]
    pub const fn idle_ms(&self) -> u64 {
        match self.proto {
            proto::TCP => 7_440_000,
            proto::UDP => 120_000,
            _ => 0,
        }
    }

    /// Whether this goes to the port of DNS, over UDP or TCP.
    #[inline(always)]
    pub const fn is_dns_query(&self) -> bool {
        self.dst_port == DNS_PORT && matches!(self.proto, proto::UDP | proto::TCP)
    }

    /// Whether this goes to the port of encrypted DNS.
    #[inline(always)]
    pub const fn is_encrypted_dns(&self) -> bool {
        self.dst_port == ENCRYPTED_DNS_PORT && matches!(self.proto, proto::UDP | proto::TCP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Addr {
        text.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn a_reply_answers_what_the_client_sent() {
        let (client, server) = (addr("10.0.0.9"), addr("192.0.2.1"));
        let table = [
            ((proto::TCP, 443, 50_000), (50_000, 443)),
            ((proto::UDP, 53, 40_000), (40_000, 53)),
            ((proto::ICMP, 0, 0), (0, ECHO_V4)),
            ((proto::ICMP, 0, 3 << 8 | 4), (0, 3 << 8 | 4)),
            ((proto::ICMPV6, 0, 129 << 8), (0, ECHO_V6)),
            ((proto::ESP, 0, 0), (0, 0)),
        ];
        for ((proto, src_port, dst_port), (from, to)) in table {
            let reply = Flow {
                src_port,
                dst_port,
                proto,
                opens: true,
                vlan: 7,
                ..Flow::between(server, client)
            };
            let asked = Flow {
                src_port: from,
                dst_port: to,
                proto,
                vlan: 7,
                ..Flow::between(client, server)
            };
            let mut answered = reply;
            reply.answered(&mut answered);
            assert_eq!(answered, asked, "{reply:?}");
        }
    }

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in [
            "1.2.3.4",
            "255.255.255.255",
            "::",
            "::1",
            "2001:db8::ff00:42:8329",
        ] {
            assert_eq!(IpAddr::from(addr(text)), text.parse::<IpAddr>().unwrap());
            assert_eq!(Addr::from_halves(addr(text).halves()), addr(text));
        }
        assert_eq!(addr("1.2.3.4"), Addr::v4([1, 2, 3, 4]));
        assert!(addr("1.2.3.4").is_v4() && !addr("::102:304").is_v4());
    }

    #[test]
    fn an_address_that_hides_another_is_judged_by_it_or_not_at_all() {
        let table = [
            ("2001:db8::1", Some("2001:db8::1")),
            ("2001:1::1", Some("2001:1::1")),
            ("64:ff9b::8.8.8.8", Some("8.8.8.8")),
            ("64:ff9b::203.0.113.5", Some("203.0.113.5")),
            ("64:ff9b::255.255.255.255", None),
            ("64:ff9b::224.0.0.1", None),
            ("64:ff9b::10.0.0.1", None),
            ("64:ff9b::1:8.8.8.8", None),
            ("64:ff9b:1::8.8.8.8", None),
            ("64:ff9c::8.8.8.8", Some("64:ff9c::8.8.8.8")),
            ("2002:cb00:7105::1", None),
            ("2001::1", None),
            ("::", Some("::")),
        ];
        for (written, judged) in table {
            assert_eq!(addr(written).judged(), judged.map(addr), "{written}");
        }
        assert_eq!(Addr::v4([8, 8, 8, 8]).judged(), None, "mapped");
    }

    #[test]
    fn one_machine_is_no_group_of_them() {
        for text in ["1.2.3.4", "223.255.255.255", "fe80::1", "2001:db8::1"] {
            assert!(addr(text).is_unicast(), "{text}");
        }
        for text in ["0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1"] {
            assert!(!addr(text).is_unicast(), "{text}");
        }
    }

    #[test]
    fn link_scope_is_what_is_never_routed() {
        let inside = [
            "255.255.255.255",
            "224.0.0.1",
            "224.0.0.251",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "ff02::1:2",
            "ff01::1",
            "ff12::1",
        ];
        let outside = [
            "224.0.1.1",
            "239.1.1.1",
            "169.254.1.1",
            "fec0::1",
            "ff05::2",
            "ff0e::1",
            "2001:db8::1",
            "10.255.255.255",
        ];
        for text in inside {
            assert!(addr(text).is_link_scope(), "{text}");
        }
        for text in outside {
            assert!(!addr(text).is_link_scope(), "{text}");
        }
    }

    #[test]
    fn special_addresses_are_those_that_no_public_service_has() {
        let inside = [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2002:cb00:7107::1",
            "2001::1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::8.8.8.8",
        ];
        let outside = [
            "9.255.255.255",
            "100.63.255.255",
            "100.128.0.0",
            "169.253.1.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.0.1",
            "223.255.255.255",
            "2001:db8::1",
            "fbff::1",
            "2620:1ec::1",
            "64:ff9b::8.8.8.8",
            "2001:db8::1",
        ];
        for text in inside {
            assert!(addr(text).is_special(), "{text}");
        }
        for text in outside {
            assert!(!addr(text).is_special(), "{text}");
        }
    }
}
