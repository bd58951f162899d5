//! The DNS query that is asked about.
//!
//! In: `NAME[/TYPE]` as typed. Out: the message on the wire (RFC 1035 section 4.1), or what is wrong with it.

use std::{fmt, net::IpAddr, str::FromStr};

use egress_common::{
    flow::proto,
    pattern::{NamePattern, PatternError},
};

use crate::catalogue::nearest::nearest;

/// A query for one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    name: String,
    kind: u16,
}

/// Why a text is no query.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// No name.
    #[error(
        "`{text}` is no name to ask for ({fault}): write www.example.org, www.example.org/HTTPS or an address"
    )]
    Name {
        /// As typed.
        text: String,
        /// What is wrong with it.
        fault: PatternError,
    },
    /// Many names.
    #[error("`{0}` is a pattern: ask for one name, such as `www.example.org`")]
    Pattern(String),
    /// No type of records.
    #[error(
        "unknown type of DNS records `{text}`, the nearest is `{nearest}`; all go by number, as in TYPE65"
    )]
    Type {
        /// As typed.
        text: String,
        /// The known one that is written most like it.
        nearest: &'static str,
    },
}

/// Types that go by their names (IANA, DNS parameters).
const TYPES: [(&str, u16); 16] = [
    ("A", 1),
    ("NS", 2),
    ("CNAME", 5),
    ("SOA", 6),
    ("PTR", PTR),
    ("MX", 15),
    ("TXT", 16),
    ("AAAA", 28),
    ("SRV", 33),
    ("NAPTR", 35),
    ("DS", 43),
    ("DNSKEY", 48),
    ("SVCB", 64),
    ("HTTPS", 65),
    ("ANY", 255),
    ("CAA", 257),
];
const A: u16 = 1;
const PTR: u16 = 12;
/// What the number of a type without a name stands behind (RFC 3597 section 5).
const BY_NUMBER: &str = "TYPE";

impl Query {
    /// The name, in lower case and without a final dot.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type's name.
    pub fn kind(&self) -> String {
        let known = TYPES.iter().find(|(_, number)| *number == self.kind);
        known.map_or_else(
            || format!("{BY_NUMBER}{}", self.kind),
            |(name, _)| (*name).to_owned(),
        )
    }

    /// What a packet of UDP or TCP carries: the message, in a stream behind its length.
    pub fn carried_by(&self, protocol: u8) -> Vec<u8> {
        let message = self.message();
        match protocol {
            proto::TCP => [&(message.len() as u16).to_be_bytes()[..], &message].concat(),
            _ => message,
        }
    }

    fn message(&self) -> Vec<u8> {
        /// An id, recursion desired, and one question.
        const HEADER: [u8; 12] = [0x65, 0x67, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        const CLASS_IN: [u8; 2] = [0, 1];

        let mut message = HEADER.to_vec();
        for label in self.name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.bytes());
        }
        message.push(0);
        message.extend(self.kind.to_be_bytes());
        message.extend(CLASS_IN);
        message
    }
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.kind())
    }
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let (name, kind) = match text.rsplit_once('/') {
            Some((name, kind)) => (name, Some(number_of(kind)?)),
            None => (text, None),
        };
        if let Ok(addr) = name.parse() {
            let (name, kind) = (reversed(addr), kind.unwrap_or(PTR));
            return Ok(Self { name, kind });
        }
        match name.parse() {
            Ok(NamePattern::Exact(name)) => {
                let kind = kind.unwrap_or(A);
                Ok(Self { name, kind })
            }
            Ok(_) => Err(QueryError::Pattern(name.to_owned())),
            Err(fault) => {
                let text = name.to_owned();
                Err(QueryError::Name { text, fault })
            }
        }
    }
}

fn number_of(text: &str) -> Result<u16, QueryError> {
    let wanted = text.to_ascii_uppercase();
    if let Some((_, number)) = TYPES.iter().find(|(name, _)| *name == wanted) {
        return Ok(*number);
    }
    let number = wanted.strip_prefix(BY_NUMBER);
    let number = number.and_then(|number| number.parse().ok());
    number.ok_or_else(|| QueryError::Type {
        text: text.to_owned(),
        nearest: nearest(&wanted, TYPES.map(|(name, _)| name), |name| {
            (*name).to_owned()
        })
        .next()
        .unwrap_or("A"),
    })
}

/// The name under which an address is looked up (RFC 1035 section 3.5, RFC 3596 section 2.5).
fn reversed(addr: IpAddr) -> String {
    match addr {
        IpAddr::V4(addr) => {
            let [a, b, c, d] = addr.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(addr) => {
            let octets = addr.octets().into_iter().rev();
            let nibbles = octets.map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4));
            nibbles.chain(["ip6.arpa".to_owned()]).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use egress_common::dns::{Direct, message::Message, query::read_query};

    use super::*;

    #[test]
    fn queries_are_read_as_they_are_typed() {
        let v6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa/PTR";
        let table = [
            ("www.example.org", "www.example.org/A"),
            ("WWW.Example.org./aaaa", "www.example.org/AAAA"),
            ("_sip._tcp.example.org/SRV", "_sip._tcp.example.org/SRV"),
            ("www.example.org/TYPE65", "www.example.org/HTTPS"),
            ("www.example.org/type4711", "www.example.org/TYPE4711"),
            ("10.20.0.2", "2.0.20.10.in-addr.arpa/PTR"),
            ("2001:db8::1", v6),
            ("2.0.20.10.in-addr.arpa/PTR", "2.0.20.10.in-addr.arpa/PTR"),
        ];
        for (text, expected) in table {
            let query: Query = text.parse().unwrap();
            assert_eq!(query.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_query_is_refused_with_what_to_write() {
        let long = format!("{}.example", "a".repeat(64));
        let table = [
            ("", "needs a name"),
            ("www example", "does not occur in host names"),
            ("www..example", "1 to 63 bytes"),
            (&long, "1 to 63 bytes"),
            ("*.example.org", "is a pattern"),
            ("www.example.org/AAA", "the nearest is `AAAA`"),
            ("www.example.org/TYPE65536", "as in TYPE65"),
            ("10.0.0.0/8", "unknown type"),
        ];
        for (text, said) in table {
            let error = text.parse::<Query>().unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn the_message_is_a_query_that_the_kernel_reads() {
        let query: Query = "www.example.org/HTTPS".parse().unwrap();
        let mut message = Message::new();
        message.fill(&query.carried_by(proto::UDP));
        assert!(read_query::<Direct>(&mut message));
        assert_eq!(message.question_type(), 65);
        assert_eq!(message.reversed_name(), b"gro.elpmaxe.www\0");
        let framed = query.carried_by(proto::TCP);
        assert_eq!(framed[..2], [0, 33]);
        assert_eq!(framed[2..], query.carried_by(proto::UDP));
    }
}
