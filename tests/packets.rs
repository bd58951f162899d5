//! Crafted packets through the loaded program: what each is, and what must become of it.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};
use egress_common::verdict::{Action, Reason};
use egress_ctl::config::Config;
use etherparse::PacketBuilder;
use lab::frame::{ETHERNET, Extension, Frame, TAG, Transport};
use lab::kernel::{Kernel, Seen, inside, with};
use lab::table::{self, Row};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway", "192.0.2.53"]
internal = ["10.99.0.0/16", "fd99::/16"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48"]
tcpPorts = "80,443"
udpPorts = "3478-3481"
urls = ["named.example"]
[[source.corp.set]]
id = 2
ips = ["203.0.113.128/25"]
tcpPorts = "8443"
[[source.corp.set]]
id = 3
ips = ["198.51.100.0/24"]
tcpPorts = "443"

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp:1", "corp:2"]
[[group.a.rule]]
action = "allow"
to = ["192.0.2.128/25", "2001:db8:3::/48"]
protocol = "sctp"
ports = "5060"
[[group.a.rule]]
action = "allow"
to = ["192.0.2.128/25"]
protocol = "dccp"
ports = "5004"
[[group.a.rule]]
action = "allow"
to = ["192.0.2.128/25"]
protocol = "udplite"
ports = "5006"
[[group.a.rule]]
action = "allow"
to = ["192.0.2.128/25"]
protocol = "icmp"
[[group.a.rule]]
action = "allow"
to = ["192.0.2.128/25"]
protocol = "esp"
[[group.a.rule]]
action = "deny"
to = ["203.0.113.66/32"]
[group.b]
clients = ["10.20.7.0/24"]
allow = ["corp:3"]
"#;

const OWN: [&str; 2] = ["10.20.0.1", "fd00:20::1"];
const C4: &str = "10.20.0.2";
const C6: &str = "fd00:20::2";
const D4: &str = "203.0.113.5";
const D6: &str = "2001:db8:1::5";
const RULED: &str = "192.0.2.129";

#[test]
fn destinations_ports_and_protocols() -> Result<()> {
    let row = |what, frame: Frame, reason| (what, frame.to_bytes(), reason);
    judge_all(vec![
        row("a listed prefix", Frame::tcp(C4, D4, 443), Reason::Prefix),
        row("a listed prefix", Frame::tcp(C6, D6, 80), Reason::Prefix),
        row(
            "a UDP range's first port",
            Frame::udp(C4, D4, 3478),
            Reason::Prefix,
        ),
        row(
            "a UDP range's last port",
            Frame::udp(C6, D6, 3481),
            Reason::Prefix,
        ),
        row(
            "behind a range",
            Frame::udp(C4, D4, 3482),
            Reason::WrongPort,
        ),
        row(
            "before a range",
            Frame::udp(C4, D4, 3477),
            Reason::WrongPort,
        ),
        row("a wrong port", Frame::tcp(C6, D6, 8443), Reason::WrongPort),
        row(
            "the nested prefix's own port",
            Frame::tcp(C4, "203.0.113.200", 8443),
            Reason::Prefix,
        ),
        row(
            "the nested prefix has the wide one's ports",
            Frame::tcp(C4, "203.0.113.200", 443),
            Reason::Prefix,
        ),
        row(
            "the wide prefix lacks the nested one's port",
            Frame::tcp(C4, D4, 8443),
            Reason::WrongPort,
        ),
        row(
            "a wrong protocol",
            Frame::udp(C4, "203.0.113.5", 443),
            Reason::WrongPort,
        ),
        row(
            "TCP only",
            Frame::udp("10.20.7.9", "198.51.100.1", 443),
            Reason::WrongProtocol,
        ),
        row("SCTP", ports(C4, D4, 132, 80), Reason::WrongProtocol),
        row("SCTP by rule", ports(C4, RULED, 132, 5060), Reason::Prefix),
        row(
            "SCTP, a wrong port",
            ports(C4, RULED, 132, 5061),
            Reason::WrongPort,
        ),
        row("DCCP by rule", ports(C4, RULED, 33, 5004), Reason::Prefix),
        row(
            "DCCP, a wrong port",
            ports(C4, RULED, 33, 5005),
            Reason::WrongPort,
        ),
        row(
            "UDP-Lite by rule",
            ports(C4, RULED, 136, 5006),
            Reason::Prefix,
        ),
        row(
            "UDP-Lite, a wrong port",
            ports(C4, RULED, 136, 5004),
            Reason::WrongPort,
        ),
        row(
            "SCTP without its header",
            other(C4, RULED, 132),
            Reason::Malformed,
        ),
        row("a ping by rule", icmp(C4, RULED, 8), Reason::Prefix),
        row(
            "a ping's answer is none",
            icmp(C4, RULED, 0),
            Reason::WrongPort,
        ),
        row("ESP by rule", other(C4, RULED, 50), Reason::Prefix),
        row(
            "AH without a rule",
            other(C4, RULED, 51),
            Reason::WrongProtocol,
        ),
        row("ICMP", other(C4, D4, 1), Reason::WrongProtocol),
        row("IPv4 in IPv4", other(C4, D4, 4), Reason::WrongProtocol),
        row(
            "GRE to nowhere",
            other(C4, "192.0.2.9", 47),
            Reason::NeverResolved,
        ),
        row(
            "an unlisted address",
            Frame::tcp(C4, "192.0.2.9", 443),
            Reason::NeverResolved,
        ),
        row(
            "an unlisted address",
            Frame::tcp(C6, "2001:db8:2::5", 443),
            Reason::NeverResolved,
        ),
        row(
            "next to the prefix",
            Frame::tcp(C4, "203.0.112.255", 443),
            Reason::NeverResolved,
        ),
        row(
            "next to the prefix",
            Frame::tcp(C6, "2001:db8:2::", 443),
            Reason::NeverResolved,
        ),
    ])
}

#[test]
fn groups() -> Result<()> {
    let row = |what, frame: Frame, reason| (what, frame.to_bytes(), reason);
    judge_all(vec![
        row(
            "the longer prefix is another group",
            Frame::tcp("10.20.7.9", D4, 443),
            Reason::NoRule,
        ),
        row(
            "its own destination",
            Frame::tcp("10.20.7.9", "198.51.100.1", 443),
            Reason::Prefix,
        ),
        row(
            "not for this group",
            Frame::tcp(C4, "198.51.100.1", 443),
            Reason::NoRule,
        ),
        row(
            "of no group",
            Frame::tcp("10.21.0.2", D4, 443),
            Reason::NoGroup,
        ),
        row(
            "of no group",
            Frame::tcp("fd00:21::2", D6, 443),
            Reason::NoGroup,
        ),
        row(
            "without an address",
            Frame::udp("0.0.0.0", D4, 443),
            Reason::NoGroup,
        ),
    ])
}

#[test]
fn what_passes_without_a_rule() -> Result<()> {
    let row = |what, frame: Frame, reason| (what, frame.to_bytes(), reason);
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 0x08, 0x06]);
    arp.resize(60, 0);
    let spanning_tree = [&arp[..12], &[0, 0x26], &[0x42; 40]].concat();
    judge_all(vec![
        ("ARP", arp, Reason::LinkControl),
        ("spanning tree", spanning_tree, Reason::LinkControl),
        row(
            "DHCP discover",
            Frame::udp("0.0.0.0", "255.255.255.255", 67),
            Reason::LinkScope,
        ),
        row("DHCP renewal", Frame::udp(C4, OWN[0], 67), Reason::Gateway),
        row(
            "DHCPv6",
            Frame::udp("fe80::2", "ff02::1:2", 547),
            Reason::LinkScope,
        ),
        row(
            "neighbour solicitation",
            other("fe80::2", "ff02::1:ff00:1", 58),
            Reason::LinkScope,
        ),
        row(
            "duplicate address detection",
            other("::", "ff02::1:ff00:2", 58),
            Reason::LinkScope,
        ),
        row(
            "router solicitation",
            other("fe80::2", "ff02::2", 58),
            Reason::LinkScope,
        ),
        row(
            "router advertisement",
            other("fe80::2", "ff02::1", 58),
            Reason::LinkScope,
        ),
        row("VRRP", other(C4, "224.0.0.18", 112), Reason::LinkScope),
        row("VRRP", other("fe80::2", "ff02::12", 112), Reason::LinkScope),
        row(
            "IGMP, with a router alert",
            Frame {
                options: vec![148, 4, 0, 0],
                ..other(C4, "224.0.0.22", 2)
            },
            Reason::LinkScope,
        ),
        row(
            "MLD, with a hop-by-hop option",
            Frame {
                extensions: vec![Extension::HopByHop(0)],
                ..other("fe80::2", "ff02::16", 58)
            },
            Reason::LinkScope,
        ),
        row(
            "mDNS",
            Frame::udp(C4, "224.0.0.251", 5353),
            Reason::LinkScope,
        ),
        row(
            "mDNS",
            Frame::udp("fe80::2", "ff02::fb", 5353),
            Reason::LinkScope,
        ),
        row("the gateway", Frame::tcp(C4, OWN[0], 22), Reason::Gateway),
        row("the gateway", Frame::udp(C6, OWN[1], 53), Reason::Gateway),
        row(
            "the gateway, from no group",
            Frame::tcp("10.21.0.2", OWN[0], 22),
            Reason::Gateway,
        ),
        row("internal", Frame::tcp(C4, "10.99.3.4", 9), Reason::Internal),
        row("internal", other(C6, "fd99:1::1", 58), Reason::Internal),
        row(
            "a query to the resolver",
            Frame::udp(C4, "192.0.2.53", 53),
            Reason::Resolver,
        ),
        row(
            "a query over TCP",
            Frame::tcp(C4, "192.0.2.53", 53),
            Reason::Resolver,
        ),
        row(
            "the resolver's other ports",
            Frame::tcp(C4, "192.0.2.53", 443),
            Reason::NeverResolved,
        ),
        row(
            "the resolver, from no group",
            Frame::udp("10.21.0.2", "192.0.2.53", 53),
            Reason::NoGroup,
        ),
        row(
            "another resolver",
            Frame::udp(C4, "192.0.2.54", 53),
            Reason::NeverResolved,
        ),
        row(
            "routed multicast",
            Frame::udp(C4, "239.1.1.1", 5000),
            Reason::NeverResolved,
        ),
        row(
            "site multicast",
            Frame::udp(C6, "ff05::1:3", 5000),
            Reason::NeverResolved,
        ),
    ])
}

#[test]
fn tags_options_and_extension_headers() -> Result<()> {
    let tagged = |tags: &[u16], frame: Frame| Frame {
        tags: tags.to_vec(),
        ..frame
    };
    let optioned = |bytes: usize, frame: Frame| Frame {
        options: vec![1; bytes],
        ..frame
    };
    let extended = |extensions: &[Extension], frame: Frame| Frame {
        extensions: extensions.to_vec(),
        ..frame
    };
    let row = |what, frame: Frame, reason| (what, frame.to_bytes(), reason);
    use Extension::{Auth, Destination, Fragment, HopByHop, Routing};
    judge_all(vec![
        row(
            "a VLAN",
            tagged(&[0x8100], Frame::tcp(C4, D4, 443)),
            Reason::Prefix,
        ),
        row(
            "a VLAN",
            tagged(&[0x8100], Frame::tcp(C6, D6, 444)),
            Reason::WrongPort,
        ),
        row(
            "QinQ",
            tagged(&[0x88a8, 0x8100], Frame::tcp(C4, D4, 443)),
            Reason::Prefix,
        ),
        row(
            "QinQ of 802.1Q",
            tagged(&[0x8100, 0x8100], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "three tags",
            tagged(&[0x88a8, 0x8100, 0x8100], Frame::tcp(C4, D4, 443)),
            Reason::EtherType,
        ),
        row(
            "options: ports at the true offset",
            optioned(40, Frame::tcp(C4, D4, 443)),
            Reason::Prefix,
        ),
        row(
            "options: a wrong port stays wrong",
            optioned(4, Frame::tcp(C4, D4, 22)),
            Reason::WrongPort,
        ),
        row(
            "options and UDP",
            optioned(12, Frame::udp(C4, D4, 3480)),
            Reason::Prefix,
        ),
        row(
            "hop-by-hop",
            extended(&[HopByHop(0)], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "destination options",
            extended(&[Destination(3)], Frame::tcp(C6, D6, 22)),
            Reason::WrongPort,
        ),
        row(
            "authentication",
            extended(&[Auth(4)], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "a used routing header",
            extended(&[Routing(0)], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "a routing header to go",
            extended(&[Routing(1)], Frame::tcp(C6, D6, 443)),
            Reason::SourceRoute,
        ),
        row(
            "an atomic fragment",
            extended(&[Fragment(0, false)], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "a first fragment",
            extended(&[Fragment(0, true)], Frame::tcp(C6, D6, 443)),
            Reason::Prefix,
        ),
        row(
            "a later fragment of another datagram",
            another(extended(&[Fragment(3, false)], Frame::tcp(C6, D6, 443))),
            Reason::FragmentUnknown,
        ),
        row(
            "two fragment headers",
            extended(
                &[Fragment(0, true), Fragment(0, false)],
                Frame::tcp(C6, D6, 443),
            ),
            Reason::Malformed,
        ),
        row(
            "as many as may be",
            extended(
                &[
                    HopByHop(0),
                    Destination(0),
                    Routing(0),
                    Destination(1),
                    Auth(1),
                    Destination(0),
                    Destination(0),
                ],
                Frame::tcp(C6, D6, 443),
            ),
            Reason::Prefix,
        ),
        row(
            "one more",
            extended(&[Destination(0); 8], Frame::tcp(C6, D6, 443)),
            Reason::Malformed,
        ),
        row(
            "twenty",
            extended(&[Destination(0); 20], Frame::tcp(C6, D6, 443)),
            Reason::Malformed,
        ),
        row(
            "longer than the bound",
            extended(
                &[Destination(200), Destination(100)],
                Frame::tcp(C6, D6, 443),
            ),
            Reason::Malformed,
        ),
        row(
            "no next header",
            extended(&[Destination(0)], other(C6, D6, 59)),
            Reason::WrongProtocol,
        ),
    ])
}

#[test]
fn fragments_of_ipv4() -> Result<()> {
    let fragment = |offset, more, frame: Frame| Frame {
        fragment: Some((offset, more)),
        ..frame
    };
    let row = |what, frame: Frame, reason| (what, frame.to_bytes(), reason);
    let short = {
        let mut bytes = fragment(0, true, Frame::tcp(C4, D4, 443)).to_bytes();
        bytes.truncate(ETHERNET + 20 + 16);
        patch(bytes, ETHERNET + 2, &36u16.to_be_bytes())
    };
    judge_all(vec![
        row(
            "the first",
            fragment(0, true, Frame::tcp(C4, D4, 443)),
            Reason::Prefix,
        ),
        row(
            "the first, wrong port",
            fragment(0, true, Frame::tcp(C4, D4, 22)),
            Reason::WrongPort,
        ),
        row(
            "a later one of another datagram",
            another(fragment(3, true, Frame::tcp(C4, D4, 443))),
            Reason::FragmentUnknown,
        ),
        row(
            "the last",
            fragment(185, false, Frame::udp(C4, D4, 3478)),
            Reason::FragmentUnknown,
        ),
        row(
            "beyond 65,535 bytes",
            fragment(8191, true, Frame::tcp(C4, D4, 443)),
            Reason::Malformed,
        ),
        (
            "a first one without the whole header",
            short,
            Reason::Malformed,
        ),
    ])
}

#[test]
fn lies_and_cuts() -> Result<()> {
    let v4 = Frame::tcp(C4, D4, 443).to_bytes();
    let v6 = Frame::tcp(C6, D6, 443).to_bytes();
    let udp = Frame::udp(C4, D4, 3478).to_bytes();
    let tagged = Frame {
        tags: vec![0x8100],
        ..Frame::tcp(C4, D4, 443)
    }
    .to_bytes();
    let mapped = Frame::new(
        "::ffff:10.20.0.2".parse()?,
        D6.parse()?,
        Transport::Tcp(1, 443),
    )
    .to_bytes();
    let to_mapped = Frame::new(
        C6.parse()?,
        "::ffff:203.0.113.5".parse()?,
        Transport::Tcp(1, 443),
    )
    .to_bytes();
    let l4 = ETHERNET + 20;
    let mut rows: Vec<Row> = vec![
        (
            "an IPv4 version that is 6",
            patch(v4.clone(), ETHERNET, &[0x65]),
            Reason::Malformed,
        ),
        (
            "a header of 16 bytes",
            patch(v4.clone(), ETHERNET, &[0x44]),
            Reason::Malformed,
        ),
        (
            "a header longer than the packet",
            patch(v4.clone(), ETHERNET, &[0x4f]),
            Reason::Malformed,
        ),
        (
            "a total length beyond the frame",
            patch(v4.clone(), ETHERNET + 2, &[0xff, 0xff]),
            Reason::Malformed,
        ),
        (
            "a total length below the header",
            patch(v4.clone(), ETHERNET + 2, &[0, 19]),
            Reason::Malformed,
        ),
        (
            "a total length that cuts TCP",
            patch(v4.clone(), ETHERNET + 2, &[0, 39]),
            Reason::Malformed,
        ),
        (
            "a TCP header of 16 bytes",
            patch(v4.clone(), l4 + 12, &[0x40]),
            Reason::Malformed,
        ),
        (
            "a TCP header beyond the packet",
            patch(v4.clone(), l4 + 12, &[0xf0]),
            Reason::Malformed,
        ),
        (
            "a UDP length of 7",
            patch(udp, l4 + 4, &[0, 7]),
            Reason::Malformed,
        ),
        (
            "an IPv6 version that is 4",
            patch(v6.clone(), ETHERNET, &[0x40]),
            Reason::Malformed,
        ),
        (
            "a payload length beyond the frame",
            patch(v6.clone(), ETHERNET + 4, &[0xff, 0xff]),
            Reason::Malformed,
        ),
        (
            "a payload length of 0",
            patch(v6.clone(), ETHERNET + 4, &[0, 0]),
            Reason::Malformed,
        ),
        ("an IPv4-mapped source", mapped, Reason::EmbeddedAddress),
        (
            "an IPv4-mapped destination",
            to_mapped,
            Reason::EmbeddedAddress,
        ),
        (
            "MPLS",
            patch(v4.clone(), 12, &[0x88, 0x47]),
            Reason::EtherType,
        ),
        (
            "PPPoE",
            patch(v4.clone(), 12, &[0x88, 0x64]),
            Reason::EtherType,
        ),
        (
            "a tag and nothing behind it",
            tagged[..ETHERNET + TAG - 1].to_vec(),
            Reason::Malformed,
        ),
        (
            "padding behind the packet",
            [v4.clone(), vec![0; 6]].concat(),
            Reason::Prefix,
        ),
    ];
    for cut in ETHERNET..v4.len() {
        rows.push(("IPv4 cut off", v4[..cut].to_vec(), Reason::Malformed));
    }
    for cut in ETHERNET..v6.len() {
        rows.push(("IPv6 cut off", v6[..cut].to_vec(), Reason::Malformed));
    }
    judge_all(rows)
}

#[test]
fn a_jumbo_frame_is_judged_as_a_small_one() -> Result<()> {
    let mut frame = Frame::udp(C4, D4, 3478);
    frame.transport = Transport::Udp(1, 3478, vec![0; 3000]);
    judge_all(vec![(
        "3,000 bytes of UDP",
        frame.to_bytes(),
        Reason::Prefix,
    )])
}

#[test]
fn the_mode_decides_what_a_denial_means() -> Result<()> {
    inside(|pin_dir| {
        let mut kernel = Kernel::load(pin_dir)?;
        let denied = Frame::tcp(C4, D4, 22).to_bytes();
        ensure!(
            kernel.judge(&denied)? == seen(false, Action::Drop, Reason::NoPolicy),
            "without a generation the program must drop"
        );
        kernel.put_into_force(&config("audit")?, &[])?;
        let audited = kernel.judge(&denied)?;
        ensure!(
            audited == seen(true, Action::WouldDrop, Reason::WrongPort),
            "{audited:?}"
        );
        kernel.put_into_force(&config("enforce")?, &[])?;
        let enforced = kernel.judge(&denied)?;
        ensure!(
            enforced == seen(false, Action::Drop, Reason::WrongPort),
            "{enforced:?}"
        );
        kernel.put_into_force(&config("off")?, &[])?;
        let before = kernel.counted()?;
        ensure!(kernel.passes(&denied)?, "off lets everything pass");
        ensure!(kernel.counted()? == before, "off counts nothing");
        Ok(())
    })?
}

/// Whether a checksum is right makes no difference: that is left to the receiver, whose kernel drops a packet with
/// a wrong one, be it the gateway's own for the header of IPv4.
#[test]
fn checksums_are_left_to_the_receiver() -> Result<()> {
    const MACS: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
    /// Places of checksums: in the header of IPv4, and behind that or the one of IPv6.
    const OF_IPV4: usize = ETHERNET + 10;
    const OF_TCP: usize = 16;
    const OF_UDP: usize = 6;
    let [mac, gateway] = MACS;
    let v4 = || -> Result<_> {
        let (src, dst): (Ipv4Addr, Ipv4Addr) = (C4.parse()?, D4.parse()?);
        Ok(PacketBuilder::ethernet2(mac, gateway).ipv4(src.octets(), dst.octets(), 64))
    };
    let v6 = || -> Result<_> {
        let (src, dst): (Ipv6Addr, Ipv6Addr) = (C6.parse()?, D6.parse()?);
        Ok(PacketBuilder::ethernet2(mac, gateway).ipv6(src.octets(), dst.octets(), 64))
    };
    let mut rows = Vec::new();
    for (tcp, udp, reason) in [(443, 3478, Reason::Prefix), (22, 22, Reason::WrongPort)] {
        let builders = [
            (
                v4()?.tcp(40_000, tcp, 1, 65_535),
                vec![OF_IPV4, ETHERNET + 20 + OF_TCP],
            ),
            (
                v6()?.tcp(40_000, tcp, 1, 65_535),
                vec![ETHERNET + 40 + OF_TCP],
            ),
        ];
        let mut frames = Vec::new();
        for (builder, places) in builders {
            let mut frame = Vec::new();
            builder.write(&mut frame, b"egress")?;
            frames.push((frame, places));
        }
        let builders = [
            (
                v4()?.udp(40_000, udp),
                vec![OF_IPV4, ETHERNET + 20 + OF_UDP],
            ),
            (v6()?.udp(40_000, udp), vec![ETHERNET + 40 + OF_UDP]),
        ];
        for (builder, places) in builders {
            let mut frame = Vec::new();
            builder.write(&mut frame, b"egress")?;
            frames.push((frame, places));
        }
        for (frame, places) in frames {
            for place in places {
                let right = [frame[place], frame[place + 1]];
                ensure!(right != [0, 0], "no checksum at {place}");
                let wrong = right.map(|byte| !byte);
                rows.push((
                    "a wrong checksum",
                    patch(frame.clone(), place, &wrong),
                    reason,
                ));
                rows.push(("no checksum", patch(frame.clone(), place, &[0, 0]), reason));
            }
            rows.push(("right checksums", frame, reason));
        }
    }
    judge_all(rows)
}

#[test]
fn a_connection_outlives_the_answer_that_admitted_it() -> Result<()> {
    const NAMED: &str = "192.0.2.80";
    let tcp = |port| Transport::Tcp(port, 443);
    let syn = |port| Transport::Syn(port, 443);
    let udp = |port| Transport::Udp(port, 3478, Vec::new());
    with(|kernel| {
        kernel.put_into_force(&config("enforce")?, &[])?;
        let judge = |kernel: &mut Kernel, transport, reason: Reason| -> Result<()> {
            let frame = Frame::new(C4.parse()?, NAMED.parse()?, transport);
            let seen = kernel.judge(&frame.to_bytes())?;
            ensure!(
                seen.counted.1 == reason,
                "{frame:?}: {seen:?}, expected {reason:?}"
            );
            Ok(())
        };
        let hour = 3_600_000;
        kernel.teach(NAMED.parse()?, "named.example", hour)?;
        judge(kernel, syn(1001), Reason::Learned)?;
        judge(kernel, tcp(1001), Reason::Learned)?;
        judge(kernel, udp(1001), Reason::Learned)?;
        kernel.teach(NAMED.parse()?, "named.example", -hour)?;
        judge(kernel, tcp(1001), Reason::Established)?;
        judge(kernel, udp(1001), Reason::Established)?;
        judge(kernel, syn(1001), Reason::Expired)?;
        judge(kernel, tcp(1002), Reason::Expired)?;
        judge(kernel, udp(1002), Reason::Expired)?;
        judge(kernel, Transport::Tcp(1001, 444), Reason::WrongPort)?;
        // The address itself may have left the map.
        kernel.forget_addresses()?;
        judge(kernel, tcp(1001), Reason::Established)?;
        judge(kernel, tcp(1002), Reason::NeverResolved)?;
        // A new generation revokes it, and allows it again.
        let without = CONFIG.replace("\"named.example\"", "\"other.example\"");
        kernel.put_into_force(&table::config(&without)?, &[])?;
        judge(kernel, tcp(1001), Reason::NeverResolved)?;
        kernel.put_into_force(&config("enforce")?, &[])?;
        judge(kernel, tcp(1001), Reason::Established)
    })
}

fn judge_all(rows: Vec<Row>) -> Result<()> {
    table::judge_all(CONFIG, &OWN, &rows)
}

fn config(mode: &str) -> Result<Config> {
    table::config(&CONFIG.replacen("enforce", mode, 1))
}

fn seen(passes: bool, action: Action, reason: Reason) -> Seen {
    Seen {
        passes,
        counted: (action, reason),
    }
}

fn another(frame: Frame) -> Frame {
    Frame { id: 9, ..frame }
}

fn ports(src: &str, dst: &str, number: u8, port: u16) -> Frame {
    Frame {
        transport: Transport::Ports(number, 40_000, port),
        ..Frame::tcp(src, dst, 0)
    }
}

fn icmp(src: &str, dst: &str, kind: u8) -> Frame {
    Frame {
        transport: Transport::Icmp(kind, 0, Vec::new()),
        ..Frame::tcp(src, dst, 0)
    }
}

fn other(src: &str, dst: &str, number: u8) -> Frame {
    Frame {
        transport: Transport::Other(number),
        ..Frame::tcp(src, dst, 0)
    }
}

fn patch(mut bytes: Vec<u8>, at: usize, with: &[u8]) -> Vec<u8> {
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}
