//! One DNS question over UDP, asked by ourselves: a name and a family in, addresses and TTLs out.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};

use crate::flow::Family;

pub(crate) const PORT: u16 = 53;

/// What a resolver answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the name exists.
    pub code: ResponseCode,
    /// The addresses and how many seconds each may be kept, through aliases.
    pub addresses: Vec<(IpAddr, u32)>,
    /// Whether it is cut off, and must be asked for over TCP.
    pub truncated: bool,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name cannot be asked for, or the answer cannot be read.
    #[error("not a DNS message: {0}")]
    Message(String),
    /// The resolver could not be reached in time.
    #[error("no answer: {0}")]
    Io(#[from] io::Error),
}

impl Answer {
    /// The first address.
    pub fn address(&self) -> Option<IpAddr> {
        self.addresses.first().map(|(address, _)| *address)
    }
}

/// Asks once, and waits no longer than the limit.
pub fn ask(resolver: IpAddr, name: &str, family: Family, limit: Duration) -> Result<Answer, Error> {
    let any = Family::of(resolver).any(0).ip();
    ask_from(any, resolver, name, family, limit)
}

/// The same, from one of the client's addresses.
pub fn ask_from(
    source: IpAddr,
    resolver: IpAddr,
    name: &str,
    family: Family,
    limit: Duration,
) -> Result<Answer, Error> {
    let socket = UdpSocket::bind(SocketAddr::new(source, 0))?;
    socket.set_read_timeout(Some(limit))?;
    socket.connect(SocketAddr::new(resolver, PORT))?;
    let question = question(name, family)?;
    socket.send(&question.to_vec().map_err(unreadable)?)?;
    let mut buffer = [0; 4096];
    loop {
        let length = socket.recv(&mut buffer)?;
        let answer = Message::from_vec(&buffer[..length]).map_err(unreadable)?;
        if answer.metadata.id == question.metadata.id {
            return Ok(read(&answer));
        }
    }
}

/// Asks and insists on an address.
pub fn resolve(
    resolver: IpAddr,
    name: &str,
    family: Family,
    limit: Duration,
) -> Result<IpAddr, Error> {
    let answer = ask(resolver, name, family, limit)?;
    answer.address().ok_or_else(|| {
        let text = format!("{name} has no address of that family ({})", answer.code);
        io::Error::new(ErrorKind::NotFound, text).into()
    })
}

pub(crate) fn question(name: &str, family: Family) -> Result<Message, Error> {
    let mut name = Name::from_ascii(name).map_err(unreadable)?;
    name.set_fqdn(true);
    let kind = match family {
        Family::Ipv4 => RecordType::A,
        Family::Ipv6 => RecordType::AAAA,
    };
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(name, kind));
    Ok(message)
}

pub(crate) fn read(message: &Message) -> Answer {
    let addresses = message.answers.iter().filter_map(|record| {
        let address = match &record.data {
            RData::A(a) => IpAddr::V4(a.0),
            RData::AAAA(aaaa) => IpAddr::V6(aaaa.0),
            _ => return None,
        };
        Some((address, record.ttl))
    });
    Answer {
        code: message.metadata.response_code,
        addresses: addresses.collect(),
        truncated: message.metadata.truncation,
    }
}

pub(crate) fn unreadable(error: impl ToString) -> Error {
    Error::Message(error.to_string())
}
