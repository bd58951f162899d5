//! Sound DNS answers as bytes.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, OpCode, Query};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NS, NULL};
use hickory_proto::rr::{Name, RData, Record, RecordType};

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

    /// What follows belongs to this name.
    #[must_use]
    pub fn owner(mut self, owner: &str) -> Self {
        self.owner = name(owner);
        self
    }

    /// Adds a record of a type by number; its data are not looked at.
    #[must_use]
    pub fn data(mut self, kind: u16, data: Vec<u8>) -> Self {
        let code = kind.into();
        let rdata = NULL::with(data);
        let data = RData::Unknown { code, rdata };
        self.message
            .add_answer(Record::from_rdata(self.owner.clone(), 60, data));
        self
    }

    /// Turns the order of the answers round.
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.message.answers.reverse();
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
