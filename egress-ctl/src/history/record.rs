//! What is told of an event, as the daemon keeps it and as commands print it.

use std::net::IpAddr;

use egress_common::{
    flow::proto,
    verdict::{Action, Reason},
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{filter::Subject, schema::Kind};

/// Format of a [`Record`] as it is printed.
pub const EVENT: &str = "egress.event/1";
/// Of a [`Gap`].
pub(super) const GAP: Kind = Kind::of::<Gap>("egress.gap/1", WATCH);
/// Of a [`Head`].
pub(super) const HISTORY: Kind = Kind::of::<Head>("egress.history/1", WATCH);

const WATCH: &str = "egress-ctl watch --json, a line each time";

/// A line of what the daemon tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Line {
    /// What it holds: the first line.
    History(Head),
    /// An event.
    Event(Box<Record>),
    /// Events that are missing there.
    Gap(Gap),
}

/// What is held of the past.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Head {
    /// `egress.history/1`.
    pub schema: String,
    /// How many lines are held.
    pub held: usize,
    /// How many may be; of more, the oldest go.
    pub bound: usize,
    /// Time of the oldest one that is held.
    pub oldest: Option<Timestamp>,
    /// Since when they are kept: the daemon's start.
    pub began: Timestamp,
    /// How many are not held any more.
    pub gone: u64,
    /// Number of the first line that is to come.
    pub next: u64,
    /// Process that reads events in the daemon's place, so that it gets none.
    pub reader: Option<u64>,
}

/// Why events are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// They came faster than they were read from the kernel.
    Lost,
    /// Whoever follows was slower than the history is long.
    Overrun,
}

/// Events that are missing.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Gap {
    /// `egress.gap/1`.
    pub schema: String,
    /// Its number in the history.
    pub number: Option<u64>,
    /// When that was noticed.
    pub time: Timestamp,
    /// Why.
    pub why: Why,
    /// How many.
    pub count: u64,
}

impl Gap {
    /// Of now.
    pub fn new(why: Why, count: u64) -> Self {
        Self {
            schema: GAP.name.to_owned(),
            number: None,
            time: Timestamp::now(),
            why,
            count,
        }
    }
}

/// One packet that was not allowed.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Record {
    /// [`EVENT`].
    pub schema: String,
    /// Its number in the daemon's history; none where it came from the kernel directly.
    pub number: Option<u64>,
    /// When it was judged.
    pub time: Timestamp,
    /// The same in ns of the boot-time clock.
    pub boot_ns: u64,
    /// Where it came in.
    pub interface: String,
    /// VLAN of the outer tag; 0 where there is none.
    pub vlan: u16,
    /// MAC address that it came from.
    pub mac: String,
    /// None where the packet could not be parsed, as all that follows from it.
    pub client: Option<IpAddr>,
    /// The client's group.
    pub group: Option<String>,
    /// Where to.
    pub destination: Option<IpAddr>,
    /// Patterns whose names DNS answers gave the address for; empty where there was none that is listed.
    pub names: Vec<String>,
    /// Whether an answer for a name that is not listed gave the address.
    pub name_not_listed: bool,
    /// The name that a DNS answer gave the address for last, to this client where it asked; none where no
    /// answer did, or where that was not heard.
    pub name: Option<String>,
    /// The names that it led through.
    pub chain: Vec<String>,
    /// The protocol's name.
    pub protocol: Option<String>,
    /// The same as a number.
    pub protocol_number: Option<u8>,
    /// Source port, or 0.
    pub source_port: u16,
    /// Destination port; of ICMP type and code.
    pub port: u16,
    /// What was done.
    pub action: String,
    /// Why.
    pub reason: String,
    /// The endpoint set or rule that decided.
    pub set: Option<String>,
    /// Number of the generation that judged it; 0 where none was in force.
    pub generation: u64,
    /// Bytes of the frame.
    pub bytes: u32,
    /// Whether it is a fragment other than the first.
    pub later_fragment: bool,
    /// Whether it opens a TCP connection.
    pub opens: bool,
    /// Events of this client and reason since the last one that are not shown.
    pub suppressed: u32,
}

impl Record {
    /// What was done; of another version's words, that it was dropped.
    pub fn action(&self) -> Action {
        let mut all = Action::ALL.iter().copied();
        let found = all.find(|action| action.name() == self.action);
        found.unwrap_or(Action::Drop)
    }

    /// Why; none of another version's words.
    pub fn reason(&self) -> Option<Reason> {
        let mut all = Reason::ALL.iter().copied();
        all.find(|reason| reason.name() == self.reason)
    }

    /// What a filter asks of it, with the endpoint set that is nearest.
    pub fn subject<'a>(&'a self, nearest: Option<&'a str>) -> Subject<'a> {
        let has_ports = |number: &u8| [proto::TCP, proto::UDP, proto::SCTP].contains(number);
        let names = self.names.iter().chain(&self.name).chain(&self.chain);
        let set = self.set.as_deref();
        Subject {
            client: self.client,
            group: self.group.as_deref(),
            sets: set.into_iter().chain(nearest).collect(),
            names: names.map(String::as_str).collect(),
            reason: self.reason(),
            action: Some(self.action()),
            address: self.destination,
            port: self.protocol_number.filter(has_ports).map(|_| self.port),
            proto: self.protocol_number,
        }
    }
}
