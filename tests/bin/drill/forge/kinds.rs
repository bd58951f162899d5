//! In which ways an answer is forged: each is true but for one thing.

use std::net::IpAddr;

use lab::address::CLIENT;
use lab::answer::Answer;
use lab::flow::Family;
use lab::frame::{Frame, Transport};

use super::next_address;

/// The client's port; it keeps it, so that forgers need not guess.
pub(super) const PORT: u16 = 40_000;
const DNS: u16 = 53;
const TTL: u32 = 600;
/// A name of the pattern that no question leads to.
const UNLINKED: &str = "unlinked.forge.example";
/// Ids that the client takes; forgers guess the others.
const IDS: u32 = 0x7fff;
/// A type of records that nobody asks for here.
const AAAA: u16 = 28;
/// Bytes before the type of a question, without the name's own: the header, a length in front, a zero behind.
const BEFORE_KIND: usize = 12 + 2;

/// A question and its true answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) client: IpAddr,
    pub(super) resolver: IpAddr,
    pub(super) port: u16,
    pub(super) id: u16,
    name: String,
    kind: Option<u16>,
    address: IpAddr,
    unlinked: Option<IpAddr>,
}

/// From where a packet is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Internet,
    /// Another interface of the LAN.
    Lan,
}

/// When a packet is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Time {
    /// While the client waits.
    Waited,
    /// Before it asks.
    Unasked,
    /// Behind the answer, which is repeated.
    Replayed,
}

/// One way to forge.
pub(super) struct Kind {
    pub(super) what: &'static str,
    pub(super) outcome: &'static str,
    pub(super) from: From,
    pub(super) time: Time,
    change: fn(&mut Exchange, u32),
}

/// Resolvers that are trusted; the first one is asked.
pub(super) const fn trusted(family: Family) -> [&'static str; 2] {
    match family {
        Family::Ipv4 => ["198.51.100.53", "198.51.100.54"],
        Family::Ipv6 => ["2001:db8:53::1", "2001:db8:53::2"],
    }
}

const fn untrusted(family: Family) -> &'static str {
    match family {
        Family::Ipv4 => "198.51.100.66",
        Family::Ipv6 => "2001:db8:53::66",
    }
}

const fn kind(what: &'static str, outcome: &'static str, change: fn(&mut Exchange, u32)) -> Kind {
    Kind {
        what,
        outcome,
        from: From::Internet,
        time: Time::Waited,
        change,
    }
}

/// All of them.
pub(super) const KINDS: &[Kind] = &[
    kind("wrong id", "not-asked", |answer, i| {
        answer.id = ((IDS + 1) | (i & IDS)) as u16;
    }),
    kind("wrong port", "not-asked", |answer, i| {
        answer.port = PORT + 1 + (i % 20_000) as u16;
    }),
    kind("wrong name", "asked-otherwise", |answer, i| {
        answer.name = format!("other{i}.forge.example");
    }),
    kind("wrong type", "asked-otherwise", |answer, _| {
        answer.kind = Some(AAAA);
    }),
    kind("wrong resolver", "resolver-not-trusted", |answer, _| {
        answer.resolver = address(untrusted(answer.family()));
    }),
    kind("another trusted one", "not-asked", |answer, _| {
        answer.resolver = address(trusted(answer.family())[1]);
    }),
    Kind {
        from: From::Lan,
        ..kind("from the LAN", "resolver-not-trusted", |_, _| {})
    },
    Kind {
        time: Time::Unasked,
        ..kind("unasked", "not-asked", |_, _| {})
    },
    Kind {
        time: Time::Replayed,
        ..kind("replayed", "not-asked", |_, _| {})
    },
];

impl Kind {
    /// The forged answer number `i` of this kind, with an address of its own; a replayed one is the same.
    pub(super) fn forge(&self, exchange: &Exchange, i: u32, given: &mut u32) -> Frame {
        let mut forged = exchange.clone();
        if self.time != Time::Replayed {
            forged.address = next_address(given);
        }
        (self.change)(&mut forged, i);
        forged.answer()
    }
}

impl Exchange {
    /// One that there was not before.
    pub(super) fn fresh(family: Family, given: &mut u32) -> Self {
        let address = next_address(given);
        Self {
            client: CLIENT.of(family),
            resolver: self::address(trusted(family)[0]),
            port: PORT,
            id: (*given & IDS) as u16,
            name: format!("n{given}.forge.example"),
            kind: None,
            address,
            unlinked: None,
        }
    }

    /// The same, with another address whose owner the question does not lead to.
    pub(super) fn with_unlinked(self, given: &mut u32) -> Self {
        Self {
            unlinked: Some(next_address(given)),
            ..self
        }
    }

    pub(super) fn family(&self) -> Family {
        Family::of(self.client)
    }

    /// The message that answers.
    pub(super) fn message(&self) -> Vec<u8> {
        let mut answer = Answer::to(&self.name).address(&self.address.to_string(), TTL);
        if let Some(unlinked) = self.unlinked {
            answer = answer.owner(UNLINKED).address(&unlinked.to_string(), TTL);
        }
        let mut message = answer.to_bytes();
        message[..2].copy_from_slice(&self.id.to_be_bytes());
        if let Some(kind) = self.kind {
            let at = BEFORE_KIND + self.name.len();
            message[at..at + 2].copy_from_slice(&kind.to_be_bytes());
        }
        message
    }

    /// The packet that holds it.
    pub(super) fn answer(&self) -> Frame {
        let datagram = Transport::Udp(DNS, self.port, self.message());
        Frame::new(self.resolver, self.client, datagram)
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("the table holds addresses")
}
