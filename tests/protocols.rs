//! Crafted packets of what is neither TCP nor UDP: ICMP errors, IPv4 options, fragments, translated addresses.

use anyhow::{Result, ensure};
use egress_common::verdict::Reason;
use lab::frame::{ETHERNET, Extension, Frame, Transport};
use lab::kernel::with;
use lab::table::{Row, config, judge_all};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["192.0.2.53", "2001:db8:53::53"]
internal = ["10.99.0.0/16", "fd99::/16"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48", "9.9.9.0/24"]
tcpPorts = "443"
udpPorts = "3478-3481"
urls = ["named.example"]

[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
[[group.a.rule]]
action = "allow"
to = ["198.51.100.0/24", "2001:db8:2::/48"]
protocol = "icmp"
[[group.a.rule]]
action = "allow"
to = ["198.51.100.128/25"]
protocol = 1
[[group.a.rule]]
action = "deny"
to = ["203.0.113.66/32"]
[group.b]
clients = ["10.30.0.0/16"]
"#;

const C4: &str = "10.20.0.2";
const C6: &str = "fd00:20::2";
const D4: &str = "203.0.113.5";
const D6: &str = "2001:db8:1::5";
const OWN: [&str; 1] = ["10.20.0.1"];

fn row(what: &'static str, frame: Frame, reason: Reason) -> Row {
    (what, frame.to_bytes(), reason)
}

/// What a server sends from a port of its own to the client's port 40,000.
fn from_server(server: &str, client: &str, port: u16) -> Frame {
    let mut frame = Frame::tcp(server, client, 0);
    frame.transport = Transport::Tcp(port, 40_000);
    frame
}

fn udp_from_server(server: &str, client: &str, port: u16) -> Frame {
    let mut frame = Frame::udp(server, client, 0);
    frame.transport = Transport::Udp(port, 40_000, vec![0; 12]);
    frame
}

#[test]
fn errors_pass_with_the_flow_that_they_are_about() -> Result<()> {
    let v4 = || from_server(D4, C4, 443);
    let v6 = || from_server(D6, C6, 443);
    let mut rows = Vec::new();
    for kind in [3, 11, 12] {
        rows.push(row(
            "about an allowed flow",
            Frame::error(&v4(), kind, 0),
            Reason::Related,
        ));
    }
    for kind in 1..=4 {
        rows.push(row(
            "about an allowed flow",
            Frame::error(&v6(), kind, 0),
            Reason::Related,
        ));
    }
    let from_router = |about: &Frame, router: &str| -> Result<Frame> {
        Ok(Frame {
            src: router.parse()?,
            ..Frame::error(about, 3, 4)
        })
    };
    rows.extend([
        row(
            "fragmentation needed",
            Frame::error(&v4(), 3, 4),
            Reason::Related,
        ),
        row(
            "a port is unreachable",
            Frame::error(&udp_from_server(D4, C4, 3479), 3, 3),
            Reason::Related,
        ),
        row(
            "about a DNS answer",
            Frame::error(&udp_from_server("192.0.2.53", C4, 53), 3, 3),
            Reason::Related,
        ),
        row(
            "from a router behind this gateway",
            from_router(&v4(), "10.20.0.9")?,
            Reason::Related,
        ),
        row(
            "from a router of no group",
            from_router(&v4(), "10.77.0.9")?,
            Reason::NoGroup,
        ),
        row(
            "about a wrong port",
            Frame::error(&from_server(D4, C4, 22), 3, 4),
            Reason::WrongPort,
        ),
        row(
            "about an unlisted address",
            Frame::error(&from_server("192.0.2.9", C4, 443), 3, 4),
            Reason::NeverResolved,
        ),
        row(
            "about a denied address",
            Frame::error(&from_server("203.0.113.66", C4, 443), 3, 4),
            Reason::Denied,
        ),
        row(
            "about the flow of a client of another group",
            Frame::error(&from_server(D4, "10.30.0.2", 443), 3, 4),
            Reason::NoRule,
        ),
        row(
            "to the gateway",
            Frame::error(&from_server(OWN[0], C4, 443), 3, 4),
            Reason::Gateway,
        ),
        row(
            "to internal",
            Frame::error(&from_server("10.99.0.1", C4, 443), 3, 4),
            Reason::Internal,
        ),
        row(
            "a redirect",
            Frame::error(&v4(), 5, 1),
            Reason::WrongProtocol,
        ),
        row(
            "a redirect that a rule allows",
            Frame::error(&from_server("198.51.100.200", C4, 443), 5, 1),
            Reason::Redirect,
        ),
        row(
            "an error that a rule allows",
            Frame::error(&from_server("198.51.100.200", C4, 22), 3, 1),
            Reason::Prefix,
        ),
        row(
            "a redirect",
            Frame::error(&v6(), 137, 0),
            Reason::WrongProtocol,
        ),
    ]);
    judge_all(CONFIG, &OWN, &rows)
}

#[test]
fn a_ping_that_failed_is_told() -> Result<()> {
    let answer = |server: &str, client: &str, kind| Frame {
        transport: Transport::Icmp(kind, 0, vec![0; 8]),
        ..Frame::tcp(server, client, 0)
    };
    judge_all(
        CONFIG,
        &OWN,
        &[
            row(
                "about an echo reply",
                Frame::error(&answer("198.51.100.1", C4, 0), 11, 1),
                Reason::Related,
            ),
            row(
                "about an echo reply of IPv6",
                Frame::error(&answer("2001:db8:2::1", C6, 129), 3, 1),
                Reason::Related,
            ),
            row(
                "about one that nobody may ask for",
                Frame::error(&answer(D4, C4, 0), 11, 1),
                Reason::WrongProtocol,
            ),
            row(
                "about an error",
                Frame::error(&answer("198.51.100.1", C4, 3), 3, 1),
                Reason::Malformed,
            ),
        ],
    )
}

#[test]
fn an_error_with_a_forged_quote_is_dropped() -> Result<()> {
    let error = || Frame::error(&from_server(D4, C4, 443), 3, 4).to_bytes();
    let quoted = ETHERNET + 20 + 8;
    let patched = |at: usize, with: &[u8]| {
        let mut bytes = error();
        bytes[at..at + with.len()].copy_from_slice(with);
        bytes
    };
    let cut = |bytes: Vec<u8>, len: usize| {
        let mut bytes = bytes[..ETHERNET + len].to_vec();
        bytes[ETHERNET + 2..ETHERNET + 4].copy_from_slice(&(len as u16).to_be_bytes());
        bytes
    };
    let long = |extensions: Vec<Extension>| {
        let about = Frame {
            extensions,
            ..from_server(D6, C6, 443)
        };
        Frame::error(&about, 1, 0).to_bytes()
    };
    let mut rows: Vec<Row> = vec![
        ("as it should be", error(), Reason::Related),
        (
            "another source",
            patched(quoted + 12, &[9, 9, 9, 9]),
            Reason::Malformed,
        ),
        (
            "a later fragment",
            patched(quoted + 6, &[0, 1]),
            Reason::Malformed,
        ),
        (
            "the first fragment",
            patched(quoted + 6, &[0x20, 0]),
            Reason::Related,
        ),
        (
            "a version that is 6",
            patched(quoted, &[0x65]),
            Reason::Malformed,
        ),
        (
            "a header of 16 bytes",
            patched(quoted, &[0x44]),
            Reason::Malformed,
        ),
        (
            "options beyond the end",
            patched(quoted, &[0x4f]),
            Reason::Malformed,
        ),
        (
            "eight bytes of TCP",
            cut(error(), 20 + 8 + 28),
            Reason::Related,
        ),
        (
            "seven bytes of TCP",
            cut(error(), 20 + 8 + 27),
            Reason::Malformed,
        ),
        ("no quote", cut(error(), 20 + 8), Reason::Malformed),
        (
            "behind headers",
            long(vec![Extension::HopByHop(0), Extension::Fragment(0, true)]),
            Reason::Related,
        ),
        (
            "behind a fragment header",
            long(vec![Extension::Fragment(3, true)]),
            Reason::Malformed,
        ),
        (
            "too many headers",
            long(vec![Extension::Destination(0); 9]),
            Reason::Malformed,
        ),
    ];
    for len in 28..56 {
        rows.push(("cut off", cut(error(), len), Reason::Malformed));
    }
    judge_all(CONFIG, &OWN, &rows)
}

#[test]
fn an_error_keeps_no_connection_alive() -> Result<()> {
    const NAMED: &str = "192.0.2.80";
    with(|kernel| {
        kernel.put_into_force(&config(CONFIG)?, &[])?;
        let error = Frame::error(&from_server(NAMED, C4, 443), 3, 4).to_bytes();
        kernel.teach(NAMED.parse()?, "named.example", 3_600_000)?;
        let related = kernel.judge(&error)?;
        ensure!(related.counted.1 == Reason::Related, "{related:?}");
        kernel.forget_addresses()?;
        let late = kernel.judge(&error)?;
        ensure!(late.counted.1 == Reason::NeverResolved, "{late:?}");
        Ok(())
    })
}

#[test]
fn options_of_ipv4() -> Result<()> {
    let with = |options: &[u8], frame: Frame| {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), 0);
        Frame { options, ..frame }
    };
    let tcp = || Frame::tcp(C4, D4, 443);
    let route = [131, 11, 4, 9, 9, 9, 9, 8, 8, 8, 8];
    judge_all(
        CONFIG,
        &OWN,
        &[
            row("router alert", with(&[148, 4, 0, 0], tcp()), Reason::Prefix),
            row(
                "record route beyond the header",
                with(&[7, 39, 4], tcp()),
                Reason::Malformed,
            ),
            row(
                "timestamps",
                with(&[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0], tcp()),
                Reason::Prefix,
            ),
            row(
                "loose source routing",
                with(&route, tcp()),
                Reason::SourceRoute,
            ),
            row(
                "strict source routing",
                with(&[137, 7, 4, 9, 9, 9, 9], tcp()),
                Reason::SourceRoute,
            ),
            row(
                "source routing behind padding",
                with(&[&[1; 20][..], &route].concat(), tcp()),
                Reason::SourceRoute,
            ),
            row(
                "source routing to the gateway",
                with(&route, Frame::tcp(C4, OWN[0], 22)),
                Reason::SourceRoute,
            ),
            row(
                "source routing on a wrong port",
                with(&route, Frame::tcp(C4, D4, 22)),
                Reason::SourceRoute,
            ),
            row(
                "a length of 0",
                with(&[7, 0, 0, 0], tcp()),
                Reason::Malformed,
            ),
            row(
                "beyond the header",
                with(&[7, 9, 4, 0], tcp()),
                Reason::Malformed,
            ),
            row("forty bytes", with(&[1; 40], tcp()), Reason::Prefix),
        ],
    )
}

#[test]
fn translated_and_tunnelled_addresses() -> Result<()> {
    judge_all(
        CONFIG,
        &OWN,
        &[
            row(
                "NAT64",
                Frame::tcp(C6, "64:ff9b::9.9.9.9", 443),
                Reason::Prefix,
            ),
            row(
                "NAT64, wrong port",
                Frame::tcp(C6, "64:ff9b::9.9.9.9", 22),
                Reason::WrongPort,
            ),
            row(
                "NAT64, unlisted",
                Frame::tcp(C6, "64:ff9b::8.8.8.8", 443),
                Reason::NeverResolved,
            ),
            row(
                "NAT64, denied",
                Frame::tcp(C6, "64:ff9b::203.0.113.66", 443),
                Reason::Denied,
            ),
            row(
                "NAT64 to a private address",
                Frame::tcp(C6, "64:ff9b::10.99.0.1", 443),
                Reason::EmbeddedAddress,
            ),
            row(
                "NAT64 to everybody",
                Frame::udp(C6, "64:ff9b::255.255.255.255", 67),
                Reason::EmbeddedAddress,
            ),
            row(
                "local NAT64",
                Frame::tcp(C6, "64:ff9b:1::9.9.9.9", 443),
                Reason::EmbeddedAddress,
            ),
            row(
                "6to4",
                Frame::tcp(C6, "2002:909:909::1", 443),
                Reason::EmbeddedAddress,
            ),
            row(
                "Teredo",
                Frame::udp(C6, "2001::1", 3478),
                Reason::EmbeddedAddress,
            ),
            row(
                "an error about NAT64",
                Frame::error(&from_server("64:ff9b::9.9.9.9", C6, 443), 2, 0),
                Reason::Related,
            ),
        ],
    )
}

#[test]
fn later_fragments_follow_the_first() -> Result<()> {
    let v4 = |id, offset, more| Frame {
        id,
        fragment: Some((offset, more)),
        ..Frame::udp(C4, D4, 3478)
    };
    let v6 = |id, offset, more| Frame {
        id,
        extensions: vec![Extension::Fragment(offset, more)],
        ..Frame::udp(C6, D6, 3478)
    };
    let chained = |id, chain: &[Extension], offset, more| Frame {
        extensions: [chain, &[Extension::Fragment(offset, more)]].concat(),
        ..v6(id, offset, more)
    };
    let denied = |offset, more| Frame {
        transport: Transport::Udp(40_000, 22, vec![0; 12]),
        ..v4(4, offset, more)
    };
    let destination = [Extension::Destination(0)];
    judge_all(
        CONFIG,
        &OWN,
        &[
            // 20 bytes of UDP, which zeros fill up to 3 units.
            row("the first", v4(1, 0, true), Reason::Prefix),
            row("the second", v4(1, 3, true), Reason::Fragment),
            row("the last", v4(1, 6, false), Reason::Fragment),
            row(
                "again when all is there",
                v4(1, 3, true),
                Reason::FragmentUnknown,
            ),
            row("another number", v4(2, 3, true), Reason::FragmentUnknown),
            row("the first of IPv6", v6(1, 0, true), Reason::Prefix),
            row("the last overtakes", v6(1, 6, false), Reason::Fragment),
            row("the middle of IPv6", v6(1, 3, true), Reason::Fragment),
            row("the number used anew", v6(1, 0, true), Reason::Prefix),
            row("and followed", v6(1, 3, false), Reason::Fragment),
            row("a first one", v4(3, 0, true), Reason::Prefix),
            row("over the ports", v4(3, 1, true), Reason::FragmentOverlap),
            row(
                "then nothing passes",
                v4(3, 3, true),
                Reason::FragmentOverlap,
            ),
            row(
                "not even the first",
                v4(3, 0, true),
                Reason::FragmentOverlap,
            ),
            row("a denied first one", denied(0, true), Reason::WrongPort),
            row("its second", denied(3, false), Reason::FragmentUnknown),
            row(
                "behind options",
                chained(5, &destination, 0, true),
                Reason::Prefix,
            ),
            row(
                "without them",
                chained(5, &[], 3, true),
                Reason::FragmentOverlap,
            ),
            row(
                "with them",
                chained(5, &destination, 3, false),
                Reason::FragmentOverlap,
            ),
            row(
                "a client of another group",
                Frame {
                    src: "10.30.0.2".parse()?,
                    ..v4(1, 3, true)
                },
                Reason::FragmentUnknown,
            ),
            row(
                "to the gateway",
                Frame {
                    dst: OWN[0].parse()?,
                    ..v4(1, 3, true)
                },
                Reason::Gateway,
            ),
            row(
                "to internal",
                Frame {
                    dst: "10.99.0.1".parse()?,
                    ..v4(1, 3, true)
                },
                Reason::Internal,
            ),
        ],
    )
}

#[test]
fn a_jumbo_frame_in_several_buffers_is_judged_by_its_headers() -> Result<()> {
    let udp = |bytes, port| Frame {
        transport: Transport::Udp(1, port, vec![0; bytes]),
        ..Frame::udp(C4, D4, 0)
    };
    let cut = |frame: Frame, len: usize| frame.to_bytes()[..len].to_vec();
    judge_all(
        CONFIG,
        &OWN,
        &[
            row("9,000 bytes", udp(8_972, 3478), Reason::Prefix),
            row("9,000 bytes, wrong port", udp(8_972, 22), Reason::WrongPort),
            (
                "cut off at 8,000",
                cut(udp(8_972, 3478), 8_000),
                Reason::Malformed,
            ),
        ],
    )
}
