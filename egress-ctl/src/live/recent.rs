//! Packets that were not allowed, of the last minute, as events tell of them.
//!
//! In: events, of which the kernel makes few of each client and reason and counts the rest. Out: which clients
//! were denied most, and which destinations. How often a client was denied for a reason is counted; where to, only
//! the events say, which are a sample.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    net::IpAddr,
};

use egress_common::{flow::proto, verdict::Action};
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    explain::{nearest::Nearest, words},
    filter::Subject,
    history::record::Record,
};

/// How long events count.
pub const WINDOW: SignedDuration = SignedDuration::from_secs(60);
/// Events that are kept, at most: the last ones.
const KEPT: usize = 20_000;

/// A packet that was not allowed.
#[derive(Clone, Debug, PartialEq)]
pub struct Denied {
    /// What an event tells of it.
    pub record: Record,
    /// The set that is nearest to it, and what is between them.
    pub nearest: Option<Nearest>,
}

/// A client that was denied something.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct DeniedClient {
    /// Its address, or the MAC address of one whose packets could not be parsed.
    pub client: String,
    /// Its group.
    pub group: Option<String>,
    /// Packets that were dropped or rejected, counted by the kernel.
    pub denied: u64,
    /// Packets that mode enforce would drop, counted by the kernel.
    pub would_drop: u64,
    /// Why, most often first.
    pub reasons: Vec<Because>,
    /// The last event.
    pub last: Timestamp,
    /// Its live connections to learned addresses, where it has any.
    pub connections: u64,
}

/// How often for a reason.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Because {
    /// Name of the reason.
    pub reason: String,
    /// Packets.
    pub packets: u64,
}

/// Where packets went that were not allowed.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct DeniedDestination {
    /// What was done with them.
    pub action: &'static str,
    /// Name of the reason.
    pub reason: String,
    /// Why, in words; none of another version's reasons.
    pub because: Option<&'static str>,
    /// The name that the client asked for, if an answer is known that gave it.
    pub name: Option<String>,
    /// The last address; none where packets could not be parsed.
    pub destination: Option<IpAddr>,
    /// Protocol and port in words.
    pub service: String,
    /// The clients' group.
    pub group: Option<String>,
    /// Clients that tried.
    pub clients: BTreeSet<String>,
    /// Events: a sample of the packets.
    pub events: u64,
    /// The last one.
    pub last: Timestamp,
    /// The set that is nearest to it, and what is between them.
    pub nearest: Option<Nearest>,
    /// The command that explains it.
    pub explain: Option<String>,
}

/// The events of the last minute.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    /// The oldest first, or nearly.
    events: VecDeque<Denied>,
}

impl Recent {
    /// Takes an event in.
    pub fn take(&mut self, denied: Denied) {
        self.events.push_back(denied);
        let over = self.events.len().saturating_sub(KEPT);
        self.events.drain(..over);
    }

    /// Forgets what is too long ago.
    pub fn forget(&mut self, now: Timestamp) {
        let is_old = |denied: &Denied| now.duration_since(denied.record.time) > WINDOW;
        while self.events.front().is_some_and(is_old) {
            self.events.pop_front();
        }
    }

    /// Clients that were denied something, those with most packets first.
    pub fn clients(
        &self,
        wanted: impl Fn(&Denied) -> bool,
        connections: &BTreeMap<IpAddr, u64>,
    ) -> Vec<DeniedClient> {
        let mut tallies: BTreeMap<(Option<IpAddr>, &str), ClientTally<'_>> = BTreeMap::new();
        for denied in self.events.iter().filter(|denied| wanted(denied)) {
            let Record { client, mac, .. } = &denied.record;
            // An address tells who it was; else the MAC address does.
            let machine = match client {
                Some(_) => "",
                None => mac.as_str(),
            };
            let tally = tallies.entry((*client, machine)).or_default();
            tally.add(&denied.record);
        }
        let clients = tallies.into_iter().filter_map(|((client, _), tally)| {
            let live = client.and_then(|client| connections.get(&client).copied());
            tally.told(live.unwrap_or(0))
        });
        let mut clients: Vec<_> = clients.collect();
        clients.sort_by_key(|one| std::cmp::Reverse((one.denied + one.would_drop, one.last)));
        clients
    }

    /// Where denied packets went, by reason and group, those with most events first.
    pub fn destinations(&self, wanted: impl Fn(&Denied) -> bool) -> Vec<DeniedDestination> {
        let mut all: BTreeMap<Aim<'_>, DeniedDestination> = BTreeMap::new();
        for denied in self.events.iter().filter(|denied| wanted(denied)) {
            let told = all
                .entry(Aim::of(&denied.record))
                .or_insert_with(|| DeniedDestination::of(&denied.record));
            told.add(denied);
        }
        let mut all: Vec<_> = all.into_values().collect();
        all.sort_by_key(|one| std::cmp::Reverse((one.events, one.last)));
        all
    }
}

/// What was tried of one client.
#[derive(Default)]
struct ClientTally<'a> {
    packets: BTreeMap<(Action, &'a str), u64>,
    last: Option<&'a Record>,
}

impl<'a> ClientTally<'a> {
    fn add(&mut self, record: &'a Record) {
        let packets = self.packets.entry((record.action(), &record.reason));
        *packets.or_default() += 1 + u64::from(record.suppressed);
        self.last = Some(record);
    }

    fn told(self, connections: u64) -> Option<DeniedClient> {
        let last = self.last?;
        let sum = |passes: bool| {
            let packets = self.packets.iter();
            let of = packets.filter(|((action, _), _)| (*action == Action::WouldDrop) == passes);
            of.map(|(_, packets)| packets).sum()
        };
        let mut reasons: Vec<_> = self
            .packets
            .iter()
            .map(|((_, reason), packets)| Because {
                reason: (*reason).to_owned(),
                packets: *packets,
            })
            .collect();
        reasons.sort_by_key(|because| std::cmp::Reverse(because.packets));
        Some(DeniedClient {
            client: client_of(last),
            group: last.group.clone(),
            denied: sum(false),
            would_drop: sum(true),
            reasons,
            last: last.time,
            connections,
        })
    }
}

/// What destinations are told apart by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Aim<'a> {
    action: Action,
    reason: &'a str,
    group: Option<&'a str>,
    name: Option<&'a str>,
    /// Where there is no name.
    destination: Option<IpAddr>,
    service: Option<(u8, u16)>,
}

impl<'a> Aim<'a> {
    fn of(record: &'a Record) -> Self {
        let name = record.name.as_deref();
        let proto = record.protocol_number;
        Self {
            action: record.action(),
            reason: &record.reason,
            group: record.group.as_deref(),
            name,
            destination: record.destination.filter(|_| name.is_none()),
            service: proto.map(|proto| (proto, record.port)),
        }
    }
}

impl DeniedDestination {
    fn of(record: &Record) -> Self {
        let proto = record.protocol_number;
        let service = proto.map(|proto| words::service(proto, record.port));
        Self {
            action: record.action().name(),
            reason: record.reason.clone(),
            because: record.reason().map(words::reason),
            name: record.name.clone(),
            destination: None,
            service: service.unwrap_or_default(),
            group: record.group.clone(),
            clients: BTreeSet::new(),
            events: 0,
            last: record.time,
            nearest: None,
            explain: None,
        }
    }

    fn add(&mut self, Denied { record, nearest }: &Denied) {
        self.events += 1;
        self.clients.insert(client_of(record));
        self.last = self.last.max(record.time);
        self.destination = record.destination;
        self.nearest.clone_from(nearest);
        self.explain = explain(record);
    }
}

impl Denied {
    /// What a filter is asked of.
    pub fn subject(&self) -> Subject<'_> {
        let nearest = self.nearest.as_ref().map(|nearest| nearest.set.as_str());
        self.record.subject(nearest)
    }
}

/// Who sent it, by address, or by MAC address where there is none.
fn client_of(record: &Record) -> String {
    let client = record.client.map(|client| client.to_string());
    client.unwrap_or_else(|| record.mac.clone())
}

/// The command that explains it.
fn explain(record: &Record) -> Option<String> {
    let (client, destination) = (record.client?, record.destination?);
    let proto = record.protocol_number?;
    let (protocol, port) = match proto {
        proto::TCP | proto::UDP | proto::SCTP => (words::protocol(proto), Some(record.port)),
        number => (number.to_string(), None),
    };
    let destination = match (destination, port) {
        (IpAddr::V6(addr), Some(port)) => format!("[{addr}]:{port}"),
        (IpAddr::V6(addr), None) => format!("[{addr}]"),
        (addr, Some(port)) => format!("{addr}:{port}"),
        (addr, None) => addr.to_string(),
    };
    Some(format!(
        "egress-ctl explain {client} {destination}/{protocol}"
    ))
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::Reason;

    use super::*;
    use crate::live::testing;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn denied(client: &str, name: Option<&str>, destination: &str, suppressed: u32) -> Denied {
        let record = Record {
            time: at(0),
            client: client.parse().ok(),
            destination: destination.parse().ok(),
            name: name.map(str::to_owned),
            suppressed,
            ..testing::record()
        };
        let nearest = None;
        Denied { record, nearest }
    }

    #[test]
    fn clients_are_told_by_how_many_packets_the_kernel_counted() {
        let mut recent = Recent::default();
        for one in [
            denied("10.0.0.1", None, "203.0.113.1", 0),
            denied("10.0.0.2", None, "203.0.113.1", 40),
            denied("10.0.0.1", None, "203.0.113.2", 0),
            denied("", None, "", 0),
        ] {
            recent.take(one);
        }
        let mut would = denied("10.0.0.1", None, "203.0.113.2", 2);
        would.record.action = Action::WouldDrop.name().to_owned();
        would.record.reason = Reason::WrongPort.name().to_owned();
        recent.take(would);
        let connections = BTreeMap::from([("10.0.0.1".parse().unwrap(), 7)]);
        let told = recent.clients(|_| true, &connections);
        let told = told.iter().map(|one| {
            let reasons = one.reasons.iter();
            let reasons: Vec<_> = reasons
                .map(|one| (one.reason.as_str(), one.packets))
                .collect();
            (
                one.client.as_str(),
                one.denied,
                one.would_drop,
                one.connections,
                reasons,
            )
        });
        let expected = [
            ("10.0.0.2", 41, 0, 0, vec![("never-resolved", 41)]),
            (
                "10.0.0.1",
                2,
                3,
                7,
                vec![("wrong-port", 3), ("never-resolved", 2)],
            ),
            ("02:00:00:00:00:01", 1, 0, 0, vec![("never-resolved", 1)]),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn destinations_are_told_by_name_where_one_is_known() {
        let mut recent = Recent::default();
        for one in [
            denied("10.0.0.1", Some("a.x.y"), "203.0.113.1", 0),
            denied("10.0.0.2", Some("a.x.y"), "203.0.113.2", 5),
            denied("fd00::2", None, "2001:db8::9", 0),
        ] {
            recent.take(one);
        }
        let told = recent.destinations(|_| true);
        let table = told.iter().map(|one| {
            let name = one.name.as_deref();
            (name, one.events, one.clients.len(), one.explain.as_deref())
        });
        let expected = [
            (
                Some("a.x.y"),
                2,
                2,
                Some("egress-ctl explain 10.0.0.2 203.0.113.2:443/tcp"),
            ),
            (
                None,
                1,
                1,
                Some("egress-ctl explain fd00::2 [2001:db8::9]:443/tcp"),
            ),
        ];
        assert_eq!(table.collect::<Vec<_>>(), expected);
        let one = recent.destinations(|denied| denied.record.name.is_none());
        assert_eq!(one.len(), 1);
    }

    #[test]
    fn what_is_over_a_minute_ago_does_not_count() {
        let mut recent = Recent::default();
        recent.take(denied("10.0.0.1", None, "203.0.113.1", 0));
        for (second, left) in [(60, 1), (61, 0)] {
            recent.forget(at(second));
            assert_eq!(recent.destinations(|_| true).len(), left, "{second}");
        }
    }
}
