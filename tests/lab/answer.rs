//! DNS answers as bytes, sound and damaged ones.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// An answer that is being put together; the owner of its addresses is the last alias.
#[derive(Clone, Debug)]
pub struct Answer {
    message: Message,
    owner: Name,
}

impl Answer {
    /// An answer to a question for the addresses of a name.
    ///
    /// # Panics
    /// The text is no name.
    pub fn to(name: &str) -> Self {
        let owner = self::name(name);
        let mut message = Message::response(0x1234, OpCode::Query);
        message.add_query(Query::query(owner.clone(), RecordType::A));
        Self { message, owner }
    }

    /// Adds an alias of the owner so far.
    #[must_use]
    pub fn alias(mut self, target: &str, ttl: u32) -> Self {
        let target = name(target);
        let data = RData::CNAME(CNAME(target.clone()));
        self.message
            .add_answer(Record::from_rdata(self.owner, ttl, data));
        self.owner = target;
        self
    }

    /// Adds an address of the owner.
    #[must_use]
    pub fn address(mut self, addr: &str, ttl: u32) -> Self {
        let record = Record::from_rdata(self.owner.clone(), ttl, data(addr));
        self.message.add_answer(record);
        self
    }

    /// Adds an address that is no answer.
    #[must_use]
    pub fn additional(mut self, addr: &str, ttl: u32) -> Self {
        let record = Record::from_rdata(self.owner.clone(), ttl, data(addr));
        self.message.add_additional(record);
        self
    }

    /// Adds the name server of a zone.
    #[must_use]
    pub fn authority(mut self, zone: &str) -> Self {
        let data = RData::NS(NS(name("ns.example.net")));
        self.message
            .add_authority(Record::from_rdata(name(zone), 60, data));
        self
    }

    /// Adds EDNS.
    #[must_use]
    pub fn options(mut self) -> Self {
        self.message.set_edns(Edns::new());
        self
    }

    /// The message on the wire, names compressed.
    ///
    /// # Panics
    /// It is longer than a message may be.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.message.to_vec().expect("a message that fits")
    }
}

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}

fn data(addr: &str) -> RData {
    match addr.parse().expect("an address") {
        IpAddr::V4(v4) => RData::A(A(v4)),
        IpAddr::V6(v6) => RData::AAAA(AAAA(v6)),
    }
}

/// The query that a payload answers, as far as its question can be read.
pub fn query_of(payload: &[u8]) -> Option<Vec<u8>> {
    /// A standard query for one name, recursion desired.
    const HEADER: [u8; 10] = [1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let mut at = 12;
    loop {
        match usize::from(*payload.get(at)?) {
            0 => break,
            len @ 1..64 => at += 1 + len,
            _ => return None,
        }
    }
    let question = payload.get(12..at + 5)?;
    Some([payload.get(..2)?, &HEADER, question].concat())
}

/// The addresses of the answer section as the library reads them. None of a message that it refuses
/// because of records which teach nothing, and whose data our own reader therefore steps over.
pub fn addresses(payload: &[u8]) -> Option<BTreeSet<IpAddr>> {
    let message = Message::from_vec(payload).ok()?;
    if message.metadata.response_code != ResponseCode::NoError {
        return None;
    }
    let of_internet = message
        .answers
        .iter()
        .filter(|record| record.dns_class == DNSClass::IN);
    let addrs = of_internet.filter_map(|record| match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(aaaa) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    });
    Some(addrs.collect())
}

/// Payloads: most of them answers, some cut off, with bytes changed, or with bytes behind.
pub fn payload() -> impl Strategy<Value = Vec<u8>> {
    let damage = prop_oneof![
        4 => Just(Vec::new()),
        6 => prop::collection::vec((any::<Index>(), byte()), 1..4),
    ];
    let cut = prop::option::weighted(0.1, any::<Index>());
    (answer(), damage, cut, 0..3usize).prop_map(|(answer, damage, cut, behind)| {
        let mut bytes = answer.to_bytes();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        } else if behind == 2 {
            bytes.push(0);
        }
        bytes
    })
}

/// Bytes that mean something in DNS, and others.
fn byte() -> impl Strategy<Value = u8> {
    let telling = select(vec![
        0, 1, 2, 3, 4, 5, 12, 16, 28, 41, 63, 64, 0x80, 0xc0, 0xff,
    ]);
    prop_oneof![2 => telling, 1 => any::<u8>()]
}

/// Names that are asked for; the last one is in no pattern.
const NAMES: [&str; 4] = [
    "exact.example",
    "a.below.example",
    "tail.example",
    "www.example.net",
];

fn answer() -> impl Strategy<Value = Answer> {
    let step = prop_oneof![
        1 => select(&NAMES[..]).prop_map(|target| (target.to_owned(), true)),
        4 => addr().prop_map(|addr| (addr, false)),
    ];
    let steps = prop::collection::vec((step, any::<u32>()), 0..12);
    (select(&NAMES[..]), steps, any::<bool>(), any::<bool>()).prop_map(
        |(name, steps, authority, options)| {
            let mut answer = Answer::to(name);
            for ((text, alias), ttl) in steps {
                answer = match alias {
                    true => answer.alias(&text, ttl),
                    false => answer.address(&text, ttl),
                };
            }
            if authority {
                answer = answer.authority("example.net");
            }
            if options {
                answer = answer.options();
            }
            answer
        },
    )
}

fn addr() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(|addr| addr.to_string()),
        any::<std::net::Ipv6Addr>().prop_map(|addr| addr.to_string()),
    ]
}
