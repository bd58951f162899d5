//! One DNS answer, as user space reads it.
//!
//! In: a record of the ring buffer of lessons. Out: [`Heard`], which name was asked, through which aliases, and
//! to which addresses that led.

use std::net::IpAddr;

use egress_common::{
    flow::Addr,
    lesson::{HEAD_BYTES, Head},
};
use hickory_proto::{
    op::Message,
    rr::{
        Name, RData, Record,
        rdata::svcb::{SVCB, SvcParamValue},
    },
};

/// Aliases of one answer that are kept.
pub const CHAIN_MAX: usize = 8;
/// Aliases that are followed.
const HOPS_MAX: usize = 64;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When, in ms of the boot-time clock.
    pub at_ms: u64,
    /// Who asked.
    pub client: IpAddr,
    /// Id of the pattern that lists the name; 0 where none does.
    pub pattern: u32,
    /// How many of its addresses no answer may teach.
    pub refused: u32,
    /// The name that was asked for, in lower case.
    pub name: String,
    /// The names that it led through, of which the first [`CHAIN_MAX`] are kept.
    pub chain: Vec<String>,
    /// Addresses as they are learned, and the TTL of each in seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// Why a record says nothing.
#[derive(Debug, thiserror::Error)]
pub enum HearError {
    /// It is not the kernel's.
    #[error("a record of {0} bytes is not one of head ({HEAD_BYTES} bytes) and message")]
    Record(usize),
    /// The message does not parse, although the kernel read it.
    #[error("a DNS message of {len} bytes cannot be read here: {fault}")]
    Message {
        /// Its length.
        len: usize,
        /// Why.
        fault: String,
    },
    /// It asks nothing.
    #[error("a DNS message without a question")]
    NoQuestion,
}

/// Reads a record.
///
/// # Errors
/// It is no record, or its message cannot be read.
pub fn hear(record: &[u8]) -> Result<Heard, HearError> {
    let (head, bytes) = Head::split(record).ok_or(HearError::Record(record.len()))?;
    let Answer {
        name,
        chain,
        addresses,
    } = answer(bytes)?;
    Ok(Heard {
        at_ms: head.at_ms,
        client: head.client.into(),
        pattern: head.pattern,
        refused: head.refused,
        name,
        chain,
        addresses,
    })
}

/// What a message says, whoever had it; names and addresses as those of [`Heard`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The name that was asked for.
    pub name: String,
    /// The names that it led through.
    pub chain: Vec<String>,
    /// Addresses, and the TTL of each in seconds.
    pub addresses: Vec<(IpAddr, u32)>,
}

/// Reads a DNS message.
///
/// # Errors
/// It cannot be read.
pub fn answer(bytes: &[u8]) -> Result<Answer, HearError> {
    let message = Message::from_vec(bytes).map_err(|fault| HearError::Message {
        len: bytes.len(),
        fault: fault.to_string(),
    })?;
    let asked = message.queries.first().ok_or(HearError::NoQuestion)?;
    let owners = owners(&asked.name, &message.answers);
    Ok(Answer {
        name: text(&asked.name),
        chain: owners.iter().skip(1).take(CHAIN_MAX).map(text).collect(),
        addresses: addresses(&owners, &message.answers),
    })
}

/// The name that was asked for, and all that it leads to.
fn owners(asked: &Name, answers: &[Record]) -> Vec<Name> {
    let mut owners = vec![asked.clone()];
    let mut at = 0;
    while let Some(owner) = owners.get(at).cloned()
        && owners.len() < HOPS_MAX
    {
        for target in answers.iter().filter_map(|record| leads(record, &owner)) {
            if !owners.iter().any(|known| known.eq_ignore_root(target)) {
                owners.push(target.clone());
            }
        }
        at += 1;
    }
    owners
}

/// Where a record leads that belongs to this name.
fn leads<'a>(record: &'a Record, owner: &Name) -> Option<&'a Name> {
    if !record.name.eq_ignore_root(owner) {
        return None;
    }
    match &record.data {
        RData::CNAME(cname) => Some(&cname.0),
        // A target `.` is the owner itself (RFC 9460 section 2.5.2).
        data => service(data)
            .map(|service| &service.target_name)
            .filter(|target| !target.is_root()),
    }
}

fn service(data: &RData) -> Option<&SVCB> {
    match data {
        RData::HTTPS(https) => Some(&https.0),
        RData::SVCB(svcb) => Some(svcb),
        _ => None,
    }
}

/// The addresses that these names have.
fn addresses(owners: &[Name], answers: &[Record]) -> Vec<(IpAddr, u32)> {
    let is_owned = |record: &&Record| {
        let mut owners = owners.iter();
        owners.any(|owner| owner.eq_ignore_root(&record.name))
    };
    let mut all = Vec::new();
    for record in answers.iter().filter(is_owned) {
        for addr in given(&record.data) {
            let learned = IpAddr::from(Addr::from(addr).learned_as());
            if !all.iter().any(|(known, _)| *known == learned) {
                all.push((learned, record.ttl));
            }
        }
    }
    all
}

fn given(data: &RData) -> Vec<IpAddr> {
    match data {
        RData::A(a) => vec![a.0.into()],
        RData::AAAA(aaaa) => vec![aaaa.0.into()],
        data => service(data).map(hints).unwrap_or_default(),
    }
}

/// The addresses that a service names beside its target (RFC 9460 section 7.3).
fn hints(service: &SVCB) -> Vec<IpAddr> {
    let hints = service
        .svc_params
        .iter()
        .flat_map(|(_, value)| match value {
            SvcParamValue::Ipv4Hint(hint) => hint.0.iter().map(|a| a.0.into()).collect(),
            SvcParamValue::Ipv6Hint(hint) => hint.0.iter().map(|aaaa| aaaa.0.into()).collect(),
            _ => Vec::new(),
        });
    hints.collect()
}

/// A name as text, in lower case and without its last dot.
fn text(name: &Name) -> String {
    let text = name.to_lowercase().to_ascii();
    match text.strip_suffix('.') {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
