//! What a client tries to get past the filter: every attempt by its name, and what must become of it.
//! They are those that other filters fell for.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use egress_common::verdict::Reason;
use lab::config::custom;
use lab::frame::{Extension, Frame, Transport};
use lab::gateway::Egress;
use lab::host::Life;
use lab::kernel::with;
use lab::table::{Row, config, judge_all};
use lab::topology::Lab;

mod answers;
mod senders;

const C4: &str = "10.20.0.2";
const C6: &str = "fd00:20::2";
const D4: &str = "203.0.113.5";
const D6: &str = "2001:db8:1::5";

const SETS: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["203.0.113.0/24", "2001:db8:1::/48", "198.51.100.0/24"]
tcpPorts = "443"
udpPorts = "3478-3481"
"#;
const GROUP: &str = r#"
[group.a]
clients = ["10.20.0.0/16", "fd00:20::/64"]
allow = ["corp"]
"#;

fn judged(rows: &[Row]) -> Result<()> {
    judge_all(&format!("{SETS}{GROUP}"), &[], rows)
}

fn row(what: &'static str, frame: Frame, reason: Reason) -> Row {
    (what, frame.to_bytes(), reason)
}

fn extended(extensions: &[Extension], frame: Frame) -> Frame {
    Frame {
        extensions: extensions.to_vec(),
        ..frame
    }
}

fn other(src: &str, dst: &str, number: u8) -> Frame {
    Frame {
        transport: Transport::Other(number),
        ..Frame::tcp(src, dst, 0)
    }
}

/// CVE-2024-47825.
#[test]
fn a_narrow_allow_beside_a_broad_deny_in_any_order() -> Result<()> {
    let deny = "[[group.a.rule]]\naction = \"deny\"\nto = [\"198.51.0.0/16\"]\n";
    let allow = "[[group.a.rule]]\naction = \"allow\"\nto = [\"198.51.100.7/32\"]\n";
    let row = |dst, reason| (Frame::tcp(C4, dst, 443), reason);
    let rows = [
        row("198.51.100.7", Reason::Denied),
        row("198.51.100.8", Reason::Denied),
        row(D4, Reason::Prefix),
    ];
    let orders = [[deny, allow], [allow, deny]];
    let configs = orders.map(|rules| config(&format!("{SETS}{GROUP}{}", rules.concat())));
    with(|kernel| {
        for config in configs {
            kernel.put_into_force(&config?, &[])?;
            for (frame, reason) in &rows {
                let seen = kernel.judge(&frame.to_bytes())?.counted.1;
                ensure!(seen == *reason, "{frame:?}: {seen:?}, not {reason:?}");
            }
        }
        Ok(())
    })
}

/// CVE-2025-64715.
#[test]
fn a_set_that_became_empty_is_not_any() -> Result<()> {
    let full = format!("{SETS}{GROUP}");
    let ips = "ips = [\"203.0.113.0/24\", \"2001:db8:1::/48\", \"198.51.100.0/24\"]";
    let empty = full.replace(ips, "urls = [\"named.example\"]");
    ensure!(full != empty, "nothing was taken away");
    let (full, empty) = (config(&full)?, config(&empty)?);
    with(|kernel| {
        for (config, passes) in [(&full, true), (&empty, false), (&full, true)] {
            kernel.put_into_force(config, &[])?;
            for frame in [Frame::tcp(C4, D4, 443), Frame::tcp(C6, D6, 443)] {
                ensure!(kernel.passes(&frame.to_bytes())? == passes, "{frame:?}");
            }
            let elsewhere = Frame::tcp(C4, "192.0.2.1", 443).to_bytes();
            ensure!(!kernel.passes(&elsewhere)?, "anything passes");
        }
        Ok(())
    })
}

/// CVE-2023-27595.
#[test]
fn a_kill_under_load() -> Result<()> {
    let sets = "[[source.lab.set]]\nid = 1\nips = [\"203.0.113.5/32\"]\nudpPorts = \"7000\"\n";
    let lab = Lab::build(Life::Bound)?;
    let mut egress = Egress::start(&lab, &custom(sets))?;
    let ended = Arc::new(AtomicBool::new(false));
    let count = |port| -> Result<_> {
        let socket = lab.internet.run(|| UdpSocket::bind((D4, port)))??;
        socket.set_read_timeout(Some(Duration::from_millis(300)))?;
        let ended = Arc::clone(&ended);
        Ok(thread::spawn(move || received(&socket, &ended)))
    };
    let (allowed, denied) = (count(7000)?, count(7001)?);
    let sending = {
        let ended = Arc::clone(&ended);
        lab.client.thread(move || flood(&ended))
    };
    egress.kill()?;
    let _again = Egress::start(&lab, &custom(sets))?;
    ended.store(true, Ordering::Relaxed);
    let panicked = |_| anyhow!("a thread panicked");
    let sent = sending.join().map_err(panicked)???;
    let arrived = allowed.join().map_err(panicked)?;
    let leaked = denied.join().map_err(panicked)?;
    ensure!(leaked == 0, "{leaked} of {sent} leaked");
    ensure!(sent > 10 && arrived == sent, "{arrived} of {sent} arrived");
    Ok(())
}

/// Sends to an allowed and to a denied port, 1,000 times a second, and tells how often.
fn flood(ended: &AtomicBool) -> Result<u32> {
    let socket = UdpSocket::bind((C4, 0))?;
    let mut sent = 0;
    while !ended.load(Ordering::Relaxed) {
        for port in [7001, 7000] {
            socket.send_to(b"egress", (D4, port))?;
        }
        sent += 1;
        thread::sleep(Duration::from_millis(1));
    }
    Ok(sent)
}

/// Datagrams that come until it has ended, and no more do.
fn received(socket: &UdpSocket, ended: &AtomicBool) -> u32 {
    let mut datagrams = 0;
    loop {
        match socket.recv(&mut [0; 16]) {
            Ok(_) => datagrams += 1,
            Err(_) if ended.load(Ordering::Relaxed) => return datagrams,
            Err(_) => {}
        }
    }
}

/// CVE-2024-52529.
#[test]
fn overlapping_port_ranges_are_their_union() -> Result<()> {
    let more = r#"
[[source.corp.set]]
id = 2
ips = ["203.0.113.0/25"]
tcpPorts = "100-200,150-300"
[[source.corp.set]]
id = 3
ips = ["203.0.113.0/26"]
tcpPorts = "250-260,299-301"
"#;
    let text = format!("{SETS}{more}{GROUP}");
    let mut rows = Vec::new();
    for port in [
        99, 100, 149, 150, 200, 201, 260, 261, 300, 301, 302, 442, 443, 444,
    ] {
        let inside = (100..=301).contains(&port) || port == 443;
        let reason = if inside {
            Reason::Prefix
        } else {
            Reason::WrongPort
        };
        rows.push(row("in all three", Frame::tcp(C4, D4, port), reason));
    }
    for (port, reason) in [(301, Reason::WrongPort), (300, Reason::Prefix)] {
        rows.push(row("in two", Frame::tcp(C4, "203.0.113.100", port), reason));
    }
    judge_all(&text, &[], &rows)
}

/// CVE-2026-26963, CVE-2026-33726.
#[test]
fn a_vlan_is_no_way_around() -> Result<()> {
    let tagged = |tags: &[u16], vlan, port| Frame {
        tags: tags.to_vec(),
        vlan,
        ..Frame::tcp(C4, D4, port)
    };
    judged(&[
        row("a tag", tagged(&[0x8100], 7, 22), Reason::WrongPort),
        row(
            "a priority tag",
            tagged(&[0x8100], 0, 22),
            Reason::WrongPort,
        ),
        row(
            "two tags",
            tagged(&[0x88a8, 0x8100], 7, 22),
            Reason::WrongPort,
        ),
        row(
            "three",
            tagged(&[0x88a8, 0x8100, 0x8100], 7, 443),
            Reason::EtherType,
        ),
    ])
}

/// CVE-2023-4809.
#[test]
fn two_ipv6_fragment_headers() -> Result<()> {
    use Extension::{Destination, Fragment};
    let both = |first, second| extended(&[first, second], Frame::tcp(C6, D6, 443));
    judged(&[
        row(
            "atomic, then first",
            both(Fragment(0, false), Fragment(0, true)),
            Reason::Malformed,
        ),
        row(
            "first, then atomic",
            both(Fragment(0, true), Fragment(0, false)),
            Reason::Malformed,
        ),
        row(
            "atomic, then later",
            both(Fragment(0, false), Fragment(5, false)),
            Reason::Malformed,
        ),
        row(
            "with one between",
            extended(
                &[Fragment(0, false), Destination(0), Fragment(0, false)],
                Frame::tcp(C6, D6, 443),
            ),
            Reason::Malformed,
        ),
    ])
}

/// CVE-2019-5597.
#[test]
fn fragments_with_differing_extension_chains() -> Result<()> {
    use Extension::{Destination, Fragment, HopByHop};
    let piece = |before: &[Extension], offset, more| {
        let extensions = [before, &[Fragment(offset, more)]].concat();
        extended(&extensions, Frame::udp(C6, D6, 3478))
    };
    judged(&[
        row("the first, plain", piece(&[], 0, true), Reason::Prefix),
        row(
            "a later one behind a header",
            piece(&[HopByHop(0)], 3, true),
            Reason::FragmentOverlap,
        ),
        row(
            "what would fit",
            piece(&[], 3, false),
            Reason::FragmentOverlap,
        ),
        row(
            "the first of another",
            Frame {
                id: 2,
                ..piece(&[Destination(0)], 0, true)
            },
            Reason::Prefix,
        ),
        row(
            "behind a longer one",
            Frame {
                id: 2,
                ..piece(&[Destination(1)], 3, false)
            },
            Reason::FragmentOverlap,
        ),
    ])
}

/// RFC 5722.
#[test]
fn overlapping_fragments() -> Result<()> {
    let v4 = |offset, more| Frame {
        fragment: Some((offset, more)),
        ..Frame::tcp(C4, D4, 443)
    };
    let v6 = |offset, more| {
        extended(
            &[Extension::Fragment(offset, more)],
            Frame::tcp(C6, D6, 443),
        )
    };
    let rows = |piece: &dyn Fn(u16, bool) -> Frame| {
        vec![
            row("the first", piece(0, true), Reason::Prefix),
            row("over its flags", piece(1, true), Reason::FragmentOverlap),
            row("what would fit", piece(3, true), Reason::FragmentOverlap),
            row("the end", piece(6, false), Reason::FragmentOverlap),
        ]
    };
    judged(&[rows(&v4), rows(&v6)].concat())
}

/// RFC 7112, RFC 3128.
#[test]
fn a_first_fragment_without_its_ports() -> Result<()> {
    let tiny = |frame: Frame, len: usize, at: usize, says: u16| {
        let mut bytes = frame.to_bytes()[..14 + len].to_vec();
        bytes[14 + at..14 + at + 2].copy_from_slice(&says.to_be_bytes());
        bytes
    };
    let v4 = || Frame {
        fragment: Some((0, true)),
        ..Frame::tcp(C4, D4, 443)
    };
    let v6 = |extensions: &[Extension]| extended(extensions, Frame::tcp(C6, D6, 443));
    use Extension::{Destination, Fragment};
    judged(&[
        ("8 bytes of TCP", tiny(v4(), 28, 2, 28), Reason::Malformed),
        ("16 bytes of TCP", tiny(v4(), 36, 2, 36), Reason::Malformed),
        (
            "8 bytes of TCP over IPv6",
            tiny(v6(&[Fragment(0, true)]), 56, 4, 16),
            Reason::Malformed,
        ),
        (
            "nothing but headers",
            tiny(v6(&[Fragment(0, true), Destination(0)]), 56, 4, 16),
            Reason::Malformed,
        ),
    ])
}

#[test]
fn a_later_fragment_without_the_first() -> Result<()> {
    judged(&[
        row(
            "of IPv4",
            Frame {
                fragment: Some((3, false)),
                ..Frame::udp(C4, D4, 3478)
            },
            Reason::FragmentUnknown,
        ),
        row(
            "of IPv6",
            extended(&[Extension::Fragment(3, false)], Frame::udp(C6, D6, 3478)),
            Reason::FragmentUnknown,
        ),
    ])
}

#[test]
fn twenty_extension_headers() -> Result<()> {
    let chain = [Extension::Destination(0); 20];
    judged(&[row(
        "all alike",
        extended(&chain, Frame::tcp(C6, D6, 443)),
        Reason::Malformed,
    )])
}

/// RFC 8900.
#[test]
fn headers_in_front_of_the_ports() -> Result<()> {
    use Extension::{Auth, Destination, HopByHop};
    let chains = [
        vec![HopByHop(3)],
        vec![Destination(2)],
        vec![Auth(4)],
        vec![HopByHop(0), Destination(0), Auth(1), Destination(0)],
    ];
    let rows = chains.iter().flat_map(|chain| {
        [(443, Reason::Prefix), (22, Reason::WrongPort)]
            .map(|(port, reason)| row("TCP", extended(chain, Frame::tcp(C6, D6, port)), reason))
    });
    let rows = rows.chain([row("AH of IPv4", other(C4, D4, 51), Reason::WrongProtocol)]);
    judged(&rows.collect::<Vec<_>>())
}

/// CVE-2019-5598.
#[test]
fn an_icmp_error_with_a_forged_packet_in_it() -> Result<()> {
    let about = |server: &str, client: &str, port| Frame {
        transport: Transport::Tcp(port, 40_000),
        ..Frame::tcp(server, client, 0)
    };
    let to = |error: Frame, dst: &str| -> Result<Frame> {
        Ok(Frame {
            dst: dst.parse()?,
            ..error
        })
    };
    let allowed = || about(D4, C4, 443);
    judged(&[
        row(
            "about an allowed flow",
            Frame::error(&allowed(), 3, 4),
            Reason::Related,
        ),
        row(
            "to another machine",
            to(Frame::error(&allowed(), 3, 4), "192.0.2.9")?,
            Reason::Malformed,
        ),
        row(
            "about a flow that never was",
            Frame::error(&about("192.0.2.9", C4, 443), 3, 4),
            Reason::NeverResolved,
        ),
        row(
            "about a wrong port",
            Frame::error(&about(D4, C4, 22), 3, 4),
            Reason::WrongPort,
        ),
        row(
            "about itself",
            Frame::error(&Frame::error(&about(C4, D4, 443), 3, 4), 3, 4),
            Reason::Malformed,
        ),
    ])
}

/// CVE-2020-10136, CVE-2024-7595.
#[test]
fn tunnels() -> Result<()> {
    let rows = [
        (4, "IPIP"),
        (41, "6in4"),
        (47, "GRE"),
        (94, "IPIP"),
        (97, "EtherIP"),
        (115, "L2TP"),
    ];
    let rows = rows.iter().flat_map(|(number, what)| {
        [(C4, D4), (C6, D6)]
            .map(|(src, dst)| row(what, other(src, dst, *number), Reason::WrongProtocol))
    });
    let rows = rows.chain([
        row("GUE", Frame::udp(C4, D4, 6080), Reason::WrongPort),
        row("VXLAN", Frame::udp(C6, D6, 4789), Reason::WrongPort),
    ]);
    judged(&rows.collect::<Vec<_>>())
}

/// RFC 4380, RFC 3056, RFC 6052.
#[test]
fn addresses_that_hide_others() -> Result<()> {
    judged(&[
        row(
            "Teredo",
            Frame::tcp(C6, "2001::cb00:7105", 443),
            Reason::EmbeddedAddress,
        ),
        row(
            "6to4",
            Frame::tcp(C6, "2002:cb00:7105::1", 443),
            Reason::EmbeddedAddress,
        ),
        row(
            "mapped",
            mapped("::ffff:203.0.113.5")?,
            Reason::EmbeddedAddress,
        ),
        row(
            "NAT64, allowed",
            Frame::tcp(C6, "64:ff9b::203.0.113.5", 443),
            Reason::Prefix,
        ),
        row(
            "NAT64, wrong port",
            Frame::tcp(C6, "64:ff9b::203.0.113.5", 22),
            Reason::WrongPort,
        ),
        row(
            "NAT64, unlisted",
            Frame::tcp(C6, "64:ff9b::8.8.8.8", 443),
            Reason::NeverResolved,
        ),
        row(
            "local NAT64",
            Frame::tcp(C6, "64:ff9b:1::203.0.113.5", 443),
            Reason::EmbeddedAddress,
        ),
    ])
}

fn mapped(dst: &str) -> Result<Frame> {
    Ok(Frame::new(
        C6.parse()?,
        dst.parse()?,
        Transport::Tcp(1, 443),
    ))
}

/// RFC 7126.
#[test]
fn source_routes_and_long_headers() -> Result<()> {
    let routed = |kind, port| Frame {
        options: vec![kind, 7, 4, 9, 9, 9, 9, 0],
        ..Frame::tcp(C4, D4, port)
    };
    let padded = |port| Frame {
        options: vec![1; 40],
        ..Frame::tcp(C4, D4, port)
    };
    judged(&[
        row("loose", routed(131, 443), Reason::SourceRoute),
        row("strict", routed(137, 443), Reason::SourceRoute),
        row(
            "of IPv6",
            extended(&[Extension::Routing(1)], Frame::tcp(C6, D6, 443)),
            Reason::SourceRoute,
        ),
        row("ports at their true place", padded(443), Reason::Prefix),
        row("and judged there", padded(22), Reason::WrongPort),
    ])
}

/// CVE-2019-18625.
#[test]
fn a_reset_or_an_end_before_the_data() -> Result<()> {
    let flagged = |flags: u8, port| {
        let mut bytes = Frame::tcp(C4, D4, port).to_bytes();
        bytes[14 + 20 + 13] = flags;
        bytes
    };
    let flags = [0x02, 0x04, 0x10, 0x01, 0x11, 0x14, 0x18, 0x00, 0x29, 0xff];
    let rows = [443, 22, 443].iter().flat_map(|port| {
        let reason = if *port == 443 {
            Reason::Prefix
        } else {
            Reason::WrongPort
        };
        flags.map(|flags| ("a segment", flagged(flags, *port), reason))
    });
    judged(&rows.collect::<Vec<Row>>())
}

/// CVE-2022-2663.
#[test]
fn a_protocol_that_announces_another_connection() -> Result<()> {
    let text = format!("{SETS}{GROUP}").replace("tcpPorts = \"443\"", "tcpPorts = \"21,6667\"");
    let says = |port, words: &str| {
        let mut bytes = Frame::tcp(C4, D4, port).to_bytes();
        bytes.extend(words.as_bytes());
        let len = (bytes.len() - 14) as u16;
        bytes[16..18].copy_from_slice(&len.to_be_bytes());
        bytes
    };
    judge_all(
        &text,
        &[],
        &[
            ("FTP", says(21, "PORT 203,0,113,5,16,0\r\n"), Reason::Prefix),
            (
                "IRC",
                says(6667, "PRIVMSG x :\x01DCC CHAT chat 3405803781 4096\x01\r\n"),
                Reason::Prefix,
            ),
            row(
                "what they announce",
                Frame::tcp(C4, D4, 4096),
                Reason::WrongPort,
            ),
        ],
    )
}
