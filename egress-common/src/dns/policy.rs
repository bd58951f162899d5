//! Which resolvers a group may ask, and for what.

use super::{Direct, message::Message, query::read_query, stream::LENGTH_BYTES};
use crate::{
    flow::{Flow, proto},
    judge::Tables,
    packet::Packet,
    parse::{Datagram, Payload, tcp_payload, udp_payload},
    rule::mark,
    verdict::{Mode, Reason, Verdict},
};

/// What becomes of a group's DNS queries.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DnsPolicy {
    /// Rules decide, as of everything else; queries to trusted resolvers pass.
    #[default]
    Watch = 0,
    /// Only queries to trusted resolvers, to the gateway itself and to internal addresses pass.
    TrustedOnly = 1,
    /// Of those, only queries for names that the group may use.
    Strict = 2,
}

impl DnsPolicy {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Watch, Self::TrustedOnly, Self::Strict];

    /// The policy of a map's value; a number that is none is strict.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Watch,
            1 => Self::TrustedOnly,
            _ => Self::Strict,
        }
    }

    /// The name in the config and in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::TrustedOnly => "trusted-only",
            Self::Strict => "strict",
        }
    }
}

/// Queries of one TCP segment that are read: the C library asks for both families in one.
pub const QUERIES_MAX: u32 = 4;

/// What holds for a DNS query that passes as `alone`. `may_ask` tells whether a group may ask for all that the
/// packet asks for; only a strict one is looked up.
#[inline(always)]
pub fn of_query<T: Tables + ?Sized>(
    flow: &Flow,
    alone: Verdict,
    tables: &T,
    may_ask: impl FnOnce(u32) -> bool,
) -> Verdict {
    let resolver = tables.resolver(&flow.dst);
    if !resolver.is(mark::RESOLVER | mark::LOCAL_RESOLVER) {
        return alone;
    }
    // The gateway itself may be asked by anybody.
    let Some(group) = tables.group(flow) else {
        return alone;
    };
    let is_strict = tables.policy(group).is_some_and(|policy| {
        matches!(policy.dns, DnsPolicy::Strict) && !matches!(policy.mode, Mode::Off)
    });
    if !is_strict || may_ask(group) {
        return alone;
    }
    Verdict::because(Reason::DnsNameRefused).of_group(group)
}

/// A packet to a resolver.
pub trait Queries {
    /// The length in front of a message at an offset of the packet.
    fn length(&self, at: usize) -> Option<usize>;
    /// Whether the query there may be asked.
    fn may_ask(&self, query: Payload) -> bool;
}

/// Whether everything that a packet with this payload asks for may be asked. Of a TCP stream each segment
/// must hold whole queries, or nothing: then the resolver sees no others than were looked at here.
#[inline(always)]
pub fn may_all_be_asked<Q: Queries>(queries: &Q, protocol: u8, payload: Payload) -> bool {
    if protocol != proto::TCP {
        return queries.may_ask(payload);
    }
    let (mut at, end) = (payload.at, payload.at + payload.len);
    for _ in 0..QUERIES_MAX {
        if at == end {
            return true;
        }
        let Some(len) = queries.length(at) else {
            return false;
        };
        let from = at + LENGTH_BYTES as usize;
        if from + len > end || !queries.may_ask(Payload { at: from, len }) {
            return false;
        }
        at = from + len;
    }
    at == end
}

/// The payload of a packet to a resolver that holds queries; none of a fragment.
#[inline(always)]
pub fn payload<P: Packet + ?Sized>(packet: &P, datagram: &Datagram) -> Option<Payload> {
    if datagram.piece.is_fragment() {
        return None;
    }
    match datagram.flow.proto {
        proto::TCP => tcp_payload(packet, datagram).map(|segment| segment.payload),
        _ => udp_payload(packet, datagram),
    }
}

/// A packet by itself, whose queries `allows` looks at.
pub struct Bytes<'a, P: ?Sized, F> {
    /// The packet.
    pub packet: &'a P,
    /// Whether a query that was read may be asked.
    pub allows: F,
}

impl<P: Packet + ?Sized, F: Fn(&mut Message) -> bool> Queries for Bytes<'_, P, F> {
    fn length(&self, at: usize) -> Option<usize> {
        let [high, low] = [self.packet.byte(at)?, self.packet.byte(at + 1)?];
        Some(usize::from(u16::from_be_bytes([high, low])))
    }

    fn may_ask(&self, query: Payload) -> bool {
        let mut message = Message::new();
        let bytes = (query.at..query.at + query.len).map(|at| self.packet.byte(at));
        message.fill_with(bytes)
            && read_query::<Direct>(&mut message)
            && (self.allows)(&mut message)
    }
}

#[cfg(test)]
mod tests;
