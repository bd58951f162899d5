//! Coverage against a scan of every address and port.

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::*;
use crate::catalogue::source::format::Format;

fn set(ips: &str, urls: &str, tcp: &str, udp: &str) -> EndpointSet {
    let list = |text: &str| -> String {
        let items = text.split_whitespace().map(|item| format!("{item:?}"));
        items.collect::<Vec<_>>().join(",")
    };
    let ports = |key: &str, ports: &str| match ports {
        "" => String::new(),
        ports => format!("{key} = {ports:?}\n"),
    };
    let toml = format!(
        "[[set]]\nid = 1\nips = [{}]\nurls = [{}]\n{}{}",
        list(ips),
        list(urls),
        ports("tcpPorts", tcp),
        ports("udpPorts", udp)
    );
    Format::Toml.read(&toml, "m365").unwrap().sets.remove(0)
}

#[test]
fn what_is_lost_is_told_in_the_fewest_pieces() {
    // Old set, new set, what the new one lacks.
    let table = [
        ("52.112.0.0/14", "52.112.0.0/15 52.114.0.0/15", ""),
        ("52.112.0.0/14", "52.112.0.0/15", "52.114.0.0/15 tcp 443"),
        ("52.112.0.0/14", "52.112.0.0/13", ""),
        (
            "52.112.0.0/14",
            "52.115.0.0/16 52.113.0.0/16",
            "52.112.0.0/16 tcp 443;52.114.0.0/16 tcp 443",
        ),
        ("52.112.0.0/14", "40.0.0.0/14", "52.112.0.0/14 tcp 443"),
        ("2620:1ec::/36", "2620:1ec::/37 2620:1ec:800::/37", ""),
        ("::ffff:52.112.0.0/110", "52.112.0.0/14", ""),
        ("0.0.0.0/0", "0.0.0.0/1 128.0.0.0/1", ""),
        ("a.example.org", "*.example.org", ""),
        ("*.a.example.org", "*.example.org", ""),
        ("*.example.org", "*example.org", ""),
        ("example.org", "*.example.org", "example.org tcp 443"),
        ("*.example.org", "a.example.org", "*.example.org tcp 443"),
        ("a.*.example.org", "*.example.org", ""),
        ("a-b.*.example.org", "a-*.example.org", ""),
        ("a.*.example.org", "a.*.example.org", ""),
        ("a.c.example.org", "a.*.example.org", ""),
        (
            "a.*.example.org",
            "b.*.example.org",
            "a.*.example.org tcp 443",
        ),
    ];
    let one = |what: &str| match what.contains(':') || what.ends_with(|c: char| c.is_ascii_digit())
    {
        true => set(what, "", "443", ""),
        false => set("", what, "443", ""),
    };
    for (old, new, lost) in table {
        let left = minus([&one(old)], &Coverage::of([&one(new)]));
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        assert_eq!(left.join(";"), lost, "{old} against {new}");
    }
}

#[test]
fn each_protocol_and_port_counts() {
    // TCP and UDP of the old set, of the new one, and what is lost.
    let table = [
        (["80,443", ""], ["443", ""], "192.0.2.0/24 tcp 80"),
        (["443", "443"], ["443", ""], "192.0.2.0/24 udp 443"),
        (["443", ""], ["1-65535", "443"], ""),
        (
            ["1-1000", ""],
            ["80,443", ""],
            "192.0.2.0/24 tcp 1-79,81-442,444-1000",
        ),
        (["", ""], ["443", ""], ""),
    ];
    for ([tcp, udp], [new_tcp, new_udp], lost) in table {
        let new = set("192.0.0.0/16", "", new_tcp, new_udp);
        let left = minus([&set("192.0.2.0/24", "", tcp, udp)], &Coverage::of([&new]));
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        assert_eq!(
            left.join(";"),
            lost,
            "{tcp} {udp} against {new_tcp} {new_udp}"
        );
    }
}

/// Prefixes in 16 addresses, with a few ports each.
fn sets() -> impl Strategy<Value = Vec<EndpointSet>> {
    let prefix = (0u32..16, 28u8..=32).prop_map(|(host, length)| {
        Ipv4Net::new((0x3470_0000 + host).into(), length)
            .unwrap()
            .trunc()
    });
    let one = (prefix, 1u16..5, 0u16..3, any::<bool>()).prop_map(|(prefix, first, more, udp)| {
        let ports = format!("{first}-{}", first + more);
        let (tcp, udp) = if udp {
            ("", ports.as_str())
        } else {
            (ports.as_str(), "")
        };
        set(&prefix.to_string(), "", tcp, udp)
    });
    prop::collection::vec(one, 0..8)
}

fn reaches(sets: &[EndpointSet], addr: std::net::IpAddr, port: u16, udp: bool) -> bool {
    sets.iter().any(|set| {
        let ports = if udp { &set.udp_ports } else { &set.tcp_ports };
        ports.contains(port) && set.ips.iter().any(|prefix| prefix.contains(&addr))
    })
}

proptest! {
    #[test]
    fn a_difference_is_exact(old in sets(), new in sets()) {
        let lost = minus(&old, &Coverage::of(&new));
        let lost = super::super::piece::gathered(&lost, &set("", "a.b", "1", ""));
        for host in 0u32..16 {
            let addr = std::net::Ipv4Addr::from(0x3470_0000 + host).into();
            for (port, udp) in (0..8).flat_map(|port| [(port, false), (port, true)]) {
                let expected = reaches(&old, addr, port, udp) && !reaches(&new, addr, port, udp);
                prop_assert_eq!(reaches(&lost, addr, port, udp), expected, "{} {}", addr, port);
            }
        }
    }
}
