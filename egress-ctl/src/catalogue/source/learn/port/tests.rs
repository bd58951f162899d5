//! Ports of cells and of prose.

use super::*;

#[test]
fn cells_of_ports_are_read() {
    let table: [(&[&str], &str, &str); 14] = [
        (&["TCP: 80, 443"], "80,443", ""),
        (&["TCP: 80, 443, 5223"], "80,443,5223", ""),
        (&["UDP: 123"], "", "123"),
        (&["TCP: 443, 80", "UDP: 443"], "80,443", "443"),
        (&["TCP & UDP: 443"], "443", "443"),
        (&["TCP 443 UDP 3478-3481"], "443", "3478-3481"),
        (&["443"], "443", ""),
        (&["80/443"], "80,443", ""),
        (&["443/tcp, 53/udp"], "443", "53"),
        (&["5061, 50000-59999"], "5061,50000-59999", ""),
        (&["50000 - 59999"], "50000-59999", ""),
        (&["https"], "443", ""),
        (&["http, https"], "80,443", ""),
        (&["HTTPS (8443)"], "8443", ""),
    ];
    for (lines, tcp, udp) in table {
        let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
        let found = cell_ports(&lines);
        assert_eq!(
            (found.tcp.as_str(), found.udp.as_str()),
            (tcp, udp),
            "{lines:?}"
        );
    }
}

#[test]
fn wrong_ports_are_said_and_the_others_stay() {
    let found = cell_ports(&["443, 99999, 80-20, 0".to_owned()]);
    assert_eq!(found.tcp, "443");
    assert_eq!(found.wrong.len(), 3, "{:?}", found.wrong);
}

#[test]
fn prose_names_ports() {
    let table = [
        ("that block outbound HTTPS/443 traffic, and", "443", ""),
        ("allow the hosts on tcp port 443 through", "443", ""),
        ("it uses HTTP or HTTPS over port 80/443", "80,443", ""),
        ("open ports 80 and 443 on the firewall", "80,443", ""),
        ("it must support HTTP (80) and HTTPS (443)", "80,443", ""),
        ("UDP port 123 is for time", "", "123"),
        ("applies to Windows 10/11 devices", "", ""),
        ("such as North America 0501 in the portal", "", ""),
    ];
    for (text, tcp, udp) in table {
        let found = prose_ports(text).needed;
        assert_eq!(
            (found.tcp.as_str(), found.udp.as_str()),
            (tcp, udp),
            "{text}"
        );
    }
}

#[test]
fn optional_ports_are_kept_apart() {
    let older = "For peers, it uses 7680 for TCP/IP or 3544 for NAT traversal (optionally Teredo)";
    let found = prose_ports(older).optional;
    assert_eq!((found.tcp.as_str(), found.udp.as_str()), ("7680", "3544"));
    let text = "It needs port 443. Optionally, peers use 7680 for TCP/IP and Teredo on port 3544.";
    let found = prose_ports(text);
    assert_eq!(
        (found.needed.tcp.as_str(), found.needed.udp.as_str()),
        ("443", "")
    );
    assert_eq!(
        (found.optional.tcp.as_str(), found.optional.udp.as_str()),
        ("7680", "3544")
    );
}
