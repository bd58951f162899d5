//! What `explain` is asked.
//!
//! In: `DESTINATION[:PORT][/PROTOCOL]` as typed. Out: what policy judges, or what is wrong with it.

use std::{net::IpAddr, str::FromStr};

use egress_common::{
    flow::{DNS_PORT, ECHO_V4, ECHO_V6, proto},
    pattern::NamePattern,
};

use super::{query::Query, words};
use crate::catalogue::nearest::nearest;

/// A packet that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who sends it.
    pub client: IpAddr,
    /// Where to.
    pub destination: Destination,
    /// The DNS query in it; none of other packets.
    pub query: Option<Query>,
    /// Index of the interface that it comes in by; 0 where that does not matter.
    pub interface: u32,
    /// VLAN of the outer tag; 0 where there is none.
    pub vlan: u16,
    /// MAC address that it comes from.
    pub mac: [u8; 6],
}

/// Where a packet goes, as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Address or name.
    pub target: Target,
    /// The port; none of protocols without ports.
    pub port: Option<u16>,
    /// The protocol.
    pub protocol: Protocol,
}

/// An address or a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Address(IpAddr),
    /// A host name.
    Name(String),
}

/// A protocol that can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// An echo request of ICMP or ICMPv6, as the addresses want it.
    Ping,
    /// An IP protocol by number.
    Number(u8),
}

/// Why a text is no destination.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Neither address nor name.
    #[error(
        "`{0}` is neither an address nor a host name: write 192.0.2.1:443, [2001:db8::1]:443/udp or www.example.org"
    )]
    Target(String),
    /// A pattern, not a name.
    #[error("`{0}` is a pattern: ask for one name, such as `www.example.org`")]
    Pattern(String),
    /// No port.
    #[error("`{0}` is no port: they are 1 to 65535")]
    Port(String),
    /// No protocol.
    #[error(
        "unknown protocol `{text}`, the nearest is `{nearest}`; there are tcp, udp, sctp, icmp, esp, ah, and all by number"
    )]
    Protocol {
        /// As typed.
        text: String,
        /// The known one that is written most like it.
        nearest: &'static str,
    },
    /// A port of a protocol without ports.
    #[error("{0} has no ports: leave `:{1}` out")]
    NoPorts(String, u16),
    /// A query that goes elsewhere than to a resolver.
    #[error(
        "--query asks a resolver, over UDP or TCP to port 53, which {0} is not: write {1}:53/udp or {1}:53/tcp"
    )]
    NoResolver(String, String),
}

const PROTOCOLS: [(&str, Protocol); 9] = [
    ("tcp", Protocol::Number(proto::TCP)),
    ("udp", Protocol::Number(proto::UDP)),
    ("sctp", Protocol::Number(proto::SCTP)),
    ("dccp", Protocol::Number(proto::DCCP)),
    ("udplite", Protocol::Number(proto::UDP_LITE)),
    ("icmp", Protocol::Ping),
    ("icmpv6", Protocol::Ping),
    ("esp", Protocol::Number(proto::ESP)),
    ("ah", Protocol::Number(proto::AH)),
];

/// Of protocols with ports, where none is given.
const DEFAULT_PORT: u16 = 443;

impl Protocol {
    /// Its number between addresses of a family.
    pub fn number(self, is_v4: bool) -> u8 {
        match (self, is_v4) {
            (Self::Number(number), _) => number,
            (Self::Ping, true) => proto::ICMP,
            (Self::Ping, false) => proto::ICMPV6,
        }
    }

    fn has_ports(self) -> bool {
        matches!(
            self,
            Self::Number(proto::TCP | proto::UDP | proto::SCTP | proto::DCCP | proto::UDP_LITE)
        )
    }
}

impl Destination {
    /// Protocol number and port as a flow has them, for addresses of a family.
    pub fn service(&self, is_v4: bool) -> (u8, u16) {
        let number = self.protocol.number(is_v4);
        let port = match (self.protocol, is_v4) {
            (Protocol::Ping, true) => ECHO_V4,
            (Protocol::Ping, false) => ECHO_V6,
            (Protocol::Number(_), _) => self.port.unwrap_or(0),
        };
        (number, port)
    }

    /// Nothing, if DNS queries are sent there.
    ///
    /// # Errors
    /// Another protocol or port.
    pub fn takes_queries(&self) -> Result<(), QuestionError> {
        let (number, port) = self.service(true);
        if [proto::UDP, proto::TCP].contains(&number) && port == DNS_PORT {
            return Ok(());
        }
        let place = match &self.target {
            Target::Address(IpAddr::V6(addr)) => format!("[{addr}]"),
            Target::Address(addr) => addr.to_string(),
            Target::Name(name) => name.clone(),
        };
        let service = words::service(number, port);
        Err(QuestionError::NoResolver(service, place))
    }
}

impl FromStr for Protocol {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        if let Ok(number) = text.parse() {
            return Ok(match number {
                proto::ICMP | proto::ICMPV6 => Self::Ping,
                number => Self::Number(number),
            });
        }
        let wanted = text.to_ascii_lowercase();
        if let Some((_, protocol)) = PROTOCOLS.iter().find(|(name, _)| *name == wanted) {
            return Ok(*protocol);
        }
        let names = PROTOCOLS.iter().map(|(name, _)| *name);
        Err(QuestionError::Protocol {
            text: text.to_owned(),
            nearest: nearest(text, names, |name| (*name).to_owned())
                .next()
                .unwrap_or("tcp"),
        })
    }
}

impl FromStr for Destination {
    type Err = QuestionError;

    fn from_str(text: &str) -> Result<Self, QuestionError> {
        let (place, protocol) = match text.rsplit_once('/') {
            Some((place, protocol)) => (place, protocol.parse()?),
            None => (text, Protocol::Number(proto::TCP)),
        };
        let (target, port) = place_and_port(place)?;
        let port = match (port, protocol.has_ports()) {
            (None, true) => Some(DEFAULT_PORT),
            (Some(port), false) => {
                let name = text.rsplit_once('/').map_or("it", |(_, name)| name);
                return Err(QuestionError::NoPorts(name.to_owned(), port));
            }
            (port, _) => port,
        };
        Ok(Self {
            target,
            port,
            protocol,
        })
    }
}

/// An IPv6 address stands in brackets where a port follows (RFC 3986 section 3.2.2).
fn place_and_port(text: &str) -> Result<(Target, Option<u16>), QuestionError> {
    if let Ok(addr) = text.parse::<IpAddr>() {
        return Ok((Target::Address(addr.to_canonical()), None));
    }
    let wrong = || QuestionError::Target(text.to_owned());
    if let Some(rest) = text.strip_prefix('[') {
        let (addr, rest) = rest.split_once(']').ok_or_else(wrong)?;
        let addr: IpAddr = addr.parse().map_err(|_| wrong())?;
        let port = match rest {
            "" => None,
            rest => Some(port(rest.strip_prefix(':').ok_or_else(wrong)?)?),
        };
        return Ok((Target::Address(addr.to_canonical()), port));
    }
    let (place, port) = match text.split_once(':') {
        Some((place, digits)) => (place, Some(port(digits)?)),
        None => (text, None),
    };
    if let Ok(addr) = place.parse::<IpAddr>() {
        return Ok((Target::Address(addr), port));
    }
    match place.parse() {
        Ok(NamePattern::Exact(name)) => Ok((Target::Name(name), port)),
        Ok(_) => Err(QuestionError::Pattern(place.to_owned())),
        Err(_) => Err(wrong()),
    }
}

fn port(text: &str) -> Result<u16, QuestionError> {
    let port = text.parse().ok().filter(|port| *port != 0);
    port.ok_or_else(|| QuestionError::Port(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_read_as_they_are_typed() {
        let tcp = Protocol::Number(6);
        let table = [
            ("192.0.2.1", "192.0.2.1", Some(443), tcp),
            ("192.0.2.1:80", "192.0.2.1", Some(80), tcp),
            (
                "192.0.2.1:53/udp",
                "192.0.2.1",
                Some(53),
                Protocol::Number(17),
            ),
            ("2001:db8::1", "2001:db8::1", Some(443), tcp),
            ("[2001:db8::1]:80/TCP", "2001:db8::1", Some(80), tcp),
            ("[2001:db8::1]/icmp", "2001:db8::1", None, Protocol::Ping),
            ("::ffff:192.0.2.1", "192.0.2.1", Some(443), tcp),
            ("192.0.2.1/47", "192.0.2.1", None, Protocol::Number(47)),
            (
                "192.0.2.1/132",
                "192.0.2.1",
                Some(443),
                Protocol::Number(132),
            ),
            ("WWW.Example.org:8443", "www.example.org", Some(8443), tcp),
        ];
        for (text, target, port, protocol) in table {
            let target = match target.parse() {
                Ok(addr) => Target::Address(addr),
                Err(_) => Target::Name(target.to_owned()),
            };
            let expected = Destination {
                target,
                port,
                protocol,
            };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_destination_is_refused_with_what_to_write() {
        let table = [
            ("192.0.2.1:0", "1 to 65535"),
            ("192.0.2.1:65536", "1 to 65535"),
            ("192.0.2.1/tpc", "nearest is `tcp`"),
            ("192.0.2.1:8/icmp", "has no ports"),
            ("*.example.org", "is a pattern"),
            ("a b", "neither an address nor a host name"),
            ("[2001:db8::1", "neither an address"),
            ("2001:db8::1:x", "1 to 65535"),
        ];
        for (text, said) in table {
            let error = text.parse::<Destination>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn queries_go_to_resolvers() {
        let table = [
            ("192.0.2.1:53/udp", None),
            ("192.0.2.1:53/tcp", None),
            ("ns.example.org:53/udp", None),
            (
                "192.0.2.1",
                Some("which tcp/443 is not: write 192.0.2.1:53/udp"),
            ),
            ("[2001:db8::1]:853", Some("write [2001:db8::1]:53/udp or")),
            ("192.0.2.1/icmp", Some("which icmp type 8 code 0 is not")),
            ("192.0.2.1:53/sctp", Some("which sctp/53 is not")),
        ];
        for (text, said) in table {
            let error = text.parse::<Destination>().unwrap().takes_queries().err();
            let error = error.map(|error| error.to_string());
            let fits = error
                .as_deref()
                .map(|error| said.is_some_and(|said| error.contains(said)));
            assert_eq!(fits, said.map(|_| true), "{text}: {error:?}");
        }
    }

    #[test]
    fn a_ping_is_what_the_family_has() {
        let ping: Destination = "192.0.2.1/icmp".parse().unwrap();
        assert_eq!(ping.service(true), (1, 0x0800));
        assert_eq!(ping.service(false), (58, 0x8000));
    }
}
