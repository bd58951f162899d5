//! What people read instead of numbers and names of reasons.

use egress_common::{
    flow::proto,
    rule::ANY_PROTO,
    verdict::{Action, Reason},
};

use crate::catalogue::ports::Ports;

/// A protocol's name, or its number where it has none.
pub fn protocol(number: u8) -> String {
    let name = match number {
        proto::ICMP => "icmp",
        proto::TCP => "tcp",
        proto::UDP => "udp",
        proto::ESP => "esp",
        proto::AH => "ah",
        proto::ICMPV6 => "icmpv6",
        proto::SCTP => "sctp",
        ANY_PROTO => "any protocol",
        other => return format!("protocol {other}"),
    };
    name.to_owned()
}

/// A protocol and a port of it: `tcp/443`; of ICMP type and code, of others the protocol alone.
pub fn service(number: u8, port: u16) -> String {
    let name = protocol(number);
    match number {
        proto::TCP | proto::UDP | proto::SCTP => format!("{name}/{port}"),
        proto::ICMP | proto::ICMPV6 => {
            let [kind, code] = port.to_be_bytes();
            format!("{name} type {kind} code {code}")
        }
        _ => name,
    }
}

/// A protocol and a range of its ports: `tcp 8000-8010`; the protocol alone where it is all of them.
pub fn services(number: u8, low: u16, high: u16) -> String {
    let name = protocol(number);
    match (number, low, high) {
        (_, 0, u16::MAX) => name,
        (proto::ICMP | proto::ICMPV6, ..) => {
            let [kind, _] = low.to_be_bytes();
            format!("{name} type {kind}")
        }
        (_, low, high) if low == high => format!("{name} {low}"),
        (_, low, high) => format!("{name} {low}-{high}"),
    }
}

/// All ports of an endpoint set: `tcp 80,443, udp 3478-3481`.
pub fn ports(tcp: &Ports, udp: &Ports) -> String {
    let named = [("tcp", tcp), ("udp", udp)];
    let named = named.iter().filter(|(_, ports)| !ports.is_empty());
    let listed: Vec<_> = named
        .map(|(name, ports)| format!("{name} {ports}"))
        .collect();
    match listed.is_empty() {
        true => "no port".to_owned(),
        false => listed.join(", "),
    }
}

/// What was done with a packet.
pub fn action(action: Action) -> &'static str {
    match action {
        Action::Allow => "passes",
        Action::Drop => "dropped",
        Action::WouldDrop => "would be dropped",
        Action::Reject => "rejected",
    }
}

/// Why, as the end of a sentence.
pub fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::LinkControl => "it controls the link and is never routed",
        Reason::LinkScope => "its destination is never routed",
        Reason::Gateway => "it is for the gateway itself",
        Reason::Internal => "its destination is internal",
        Reason::Resolver => "it asks a configured resolver",
        Reason::Prefix => "a prefix allows it",
        Reason::Learned => "a DNS answer gave the address for an allowed name",
        Reason::Established => "its connection was admitted before",
        Reason::Related => "it reports an error of a connection that passes",
        Reason::Fragment => "the first fragment of its datagram passed",
        Reason::GroupOff => "its group is not judged",
        Reason::NoRule => "nothing of this destination is allowed to its group",
        Reason::WrongPort => "this destination is allowed on other ports",
        Reason::WrongProtocol => "this destination is allowed with another protocol",
        Reason::Expired => "the DNS answer that gave the address has expired",
        Reason::NeverResolved => "no prefix holds the address and no DNS answer gave it",
        Reason::NameNotAllowed => "a DNS answer gave the address for a name that is not listed",
        Reason::NoGroup => "its sender is in no client group",
        Reason::FragmentUnknown => {
            "it is a later fragment, of which no first one with its ports passed"
        }
        Reason::Malformed => "its headers are cut off or contradict each other",
        Reason::EtherType => "it is neither IP nor link control",
        Reason::EmbeddedAddress => "an IPv6 header holds an IPv4 address",
        Reason::NoPolicy => "no generation is loaded",
        Reason::SourceRoute => "it names stations on its way",
        Reason::FragmentOverlap => "it overlaps another fragment of its datagram",
        Reason::Redirect => "clients do not redirect machines elsewhere",
        Reason::Denied => "a rule denies it",
        Reason::ResolverNotTrusted => "its group may ask configured resolvers only",
        Reason::DnsNameRefused => "it asks for a name that its group may not ask for",
        Reason::EncryptedDns => "it is encrypted DNS, which nothing allows",
    }
}

/// What the client can do so that it passes, where that may be all there is to do.
pub fn to_pass(reason: Reason) -> Option<&'static str> {
    match reason {
        Reason::Expired => {
            Some("the client asks its resolver again: a new answer admits the address")
        }
        Reason::NeverResolved => Some(
            "the client asks a resolver of gateway.resolvers for its name: the answer admits the address, if the name is allowed",
        ),
        Reason::EncryptedDns => Some(
            "the client asks a resolver of gateway.resolvers at port 53: turn its encrypted DNS off, whose answers admit nothing, not even where a rule lets it out",
        ),
        Reason::ResolverNotTrusted => {
            Some("the client asks a resolver of gateway.resolvers, whose answers admit addresses")
        }
        _ => None,
    }
}

/// A MAC address.
pub fn mac(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// A text from outside in one line: what does something to a terminal, or hides what stands there, is escaped.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match does_something(c) {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}

/// The same for a text of several lines.
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n")
}

/// The same for a text that is JSON, and means the same afterwards: it has such characters within strings alone.
pub fn printable_json(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match does_something(c) && c != '\n' {
            true => printable.extend(
                c.encode_utf16(&mut [0; 2])
                    .iter()
                    .map(|unit| format!("\\u{unit:04x}")),
            ),
            false => printable.push(c),
        }
    }
    printable
}

/// Controls, and what turns the direction of writing or takes no room.
fn does_something(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_called_as_people_call_them() {
        let table = [
            (service(6, 443), "tcp/443"),
            (service(132, 5000), "sctp/5000"),
            (service(1, 8 << 8), "icmp type 8 code 0"),
            (service(50, 0), "esp"),
            (service(47, 0), "protocol 47"),
            (services(6, 443, 443), "tcp 443"),
            (services(17, 3478, 3481), "udp 3478-3481"),
            (services(255, 0, u16::MAX), "any protocol"),
            (services(58, 128 << 8, 128 << 8 | 0xff), "icmpv6 type 128"),
        ];
        for (seen, expected) in table {
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\x1b[31mb\nc\u{9b}"), "a\\u{1b}[31mb\\nc\\u{9b}");
        assert_eq!(printable("bücher"), "bücher");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        assert_eq!(printable_lines("a\x07\nb\r\n"), "a\\u{7}\nb\\r\n");
    }

    #[test]
    fn json_means_the_same_and_does_nothing_to_a_terminal() {
        let strange = "a\x1b\u{9b}31m\u{202e}\x7f bücher 😀";
        let text = printable_json(&serde_json::to_string_pretty(&[strange]).unwrap());
        assert_eq!(
            text,
            "[\n  \"a\\u001b\\u009b31m\\u202e\\u007f bücher 😀\"\n]"
        );
        let read: [String; 1] = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [strange]);
    }
}
