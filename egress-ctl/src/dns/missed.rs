//! What clients tried and no answer allowed, in reports.
//!
//! In: the kernel's counts, and names. Out: destinations that nobody looked up, and by name how long clients
//! go on using answers that have ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use egress_common::{
    missed::{Missed, MissedKey},
    verdict::Reason,
};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{names::Names, time::Clocks};
use crate::explain::words;

/// A destination that a client tried.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Try {
    /// Who tried.
    pub client: IpAddr,
    /// Where to.
    pub address: IpAddr,
    /// Name of the protocol.
    pub protocol: String,
    /// Destination port; of ICMP type and code.
    pub port: u16,
    /// Protocol and port in words.
    #[serde(skip)]
    pub service: String,
    /// How often.
    pub count: u64,
    /// The first time.
    pub first: Timestamp,
    /// The last time.
    pub last: Timestamp,
    /// Names that answers have given it for since, or gave it for other clients.
    pub names: Vec<String>,
    /// Name by reverse lookup, where that was asked for and there is one.
    pub reverse: Option<String>,
}

/// How long after their end answers for a name were used.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Overrun {
    /// The name; the address where its names are lost.
    pub name: String,
    /// Its addresses that were tried.
    pub addresses: BTreeSet<IpAddr>,
    /// Who tried.
    pub clients: BTreeSet<IpAddr>,
    /// The longest time between the end of an answer and a try, in ms.
    pub longest_ms: u64,
    /// How many tries were denied.
    pub drops: u64,
    /// The last of them.
    pub last: Timestamp,
}

/// The destinations that nobody looked up, those tried most often first.
pub fn unresolved(missed: &[(MissedKey, Missed)], names: &Names, clocks: Clocks) -> Vec<Try> {
    let mut tries: Vec<_> = of(missed, Reason::NeverResolved)
        .map(|(key, missed)| {
            let address = key.dst.into();
            Try {
                client: key.client.into(),
                address,
                protocol: words::protocol(key.proto),
                port: key.port,
                service: words::service(key.proto, key.port),
                count: missed.count,
                first: clocks.at(missed.first_ms),
                last: clocks.at(missed.last_ms),
                names: names
                    .of(address)
                    .iter()
                    .map(|one| one.name.clone())
                    .collect(),
                reverse: None,
            }
        })
        .collect();
    tries.sort_by_key(|one| {
        (
            std::cmp::Reverse(one.count),
            one.client,
            one.address,
            one.port,
        )
    });
    tries
}

/// Answers that were used after their end, by name, the longest overrun first.
pub fn overruns(missed: &[(MissedKey, Missed)], names: &Names, clocks: Clocks) -> Vec<Overrun> {
    let mut by_name: BTreeMap<String, Overrun> = BTreeMap::new();
    for (key, missed) in of(missed, Reason::Expired) {
        for name in blamed(key, names) {
            let overrun = by_name.entry(name.clone()).or_insert_with(|| Overrun {
                name,
                addresses: BTreeSet::new(),
                clients: BTreeSet::new(),
                longest_ms: 0,
                drops: 0,
                last: Timestamp::MIN,
            });
            overrun.addresses.insert(key.dst.into());
            overrun.clients.insert(key.client.into());
            overrun.longest_ms = overrun.longest_ms.max(missed.overrun_ms);
            overrun.drops += missed.count;
            overrun.last = overrun.last.max(clocks.at(missed.last_ms));
        }
    }
    let mut all: Vec<_> = by_name.into_values().collect();
    all.sort_by_key(|one| std::cmp::Reverse((one.longest_ms, one.drops)));
    all
}

fn of(
    missed: &[(MissedKey, Missed)],
    reason: Reason,
) -> impl Iterator<Item = &(MissedKey, Missed)> {
    missed
        .iter()
        .filter(move |(_, missed)| missed.reason == reason as u32)
}

/// The names whose answers the client may have used: those that it asked for, else all of the address, else
/// the address itself.
fn blamed(key: &MissedKey, names: &Names) -> Vec<String> {
    let (client, address) = (IpAddr::from(key.client), IpAddr::from(key.dst));
    let listed = || {
        let all = names.of(address).iter();
        all.filter(|naming| naming.pattern.is_some())
    };
    let asked = listed().filter(|naming| naming.clients.contains(&client));
    let mut blamed: Vec<_> = asked.map(|naming| naming.name.clone()).collect();
    if blamed.is_empty() {
        blamed = listed().map(|naming| naming.name.clone()).collect();
    }
    if blamed.is_empty() {
        blamed.push(address.to_string());
    }
    blamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{heard::Heard, names::Lesson};

    fn clocks() -> Clocks {
        Clocks {
            wall: "2026-11-22T08:00:00Z".parse().unwrap(),
            boot_ms: 100_000,
        }
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn one(
        client: &str,
        dst: &str,
        reason: Reason,
        count: u64,
        overrun: u64,
    ) -> (MissedKey, Missed) {
        let key = MissedKey {
            client: addr(client).into(),
            dst: addr(dst).into(),
            port: 443,
            proto: 6,
            pad: 0,
        };
        let missed = Missed {
            count,
            ..Missed::first(reason, overrun, 90_000)
        };
        (key, missed)
    }

    fn names(answers: &[(&str, &str, &str)]) -> Names {
        let mut names = Names::default();
        for (client, name, address) in answers {
            let heard = Heard {
                at_ms: 0,
                client: addr(client),
                pattern: 1,
                refused: 0,
                name: (*name).to_owned(),
                chain: Vec::new(),
                addresses: vec![(addr(address), 60)],
            };
            let lesson = Lesson {
                heard: &heard,
                pattern: Some("*.x.y"),
                at: clocks().wall,
            };
            names.learn(lesson, |_| false);
        }
        names
    }

    #[test]
    fn unresolved_destinations_are_listed_by_how_often_they_were_tried() {
        let missed = [
            one("10.0.0.1", "203.0.113.1", Reason::NeverResolved, 3, 0),
            one("10.0.0.2", "2001:db8::1", Reason::NeverResolved, 30, 0),
            one("10.0.0.1", "203.0.113.2", Reason::Expired, 300, 7),
        ];
        let names = names(&[("10.0.0.9", "a.x.y", "203.0.113.1")]);
        let tries = unresolved(&missed, &names, clocks());
        let told: Vec<_> = tries
            .iter()
            .map(|one| (one.address.to_string(), one.count))
            .collect();
        let expected = [
            ("2001:db8::1".to_owned(), 30),
            ("203.0.113.1".to_owned(), 3),
        ];
        assert_eq!(told, expected);
        assert_eq!(tries[1].names, ["a.x.y"]);
        assert_eq!(tries[1].service, "tcp/443");
        assert_eq!(tries[1].last.to_string(), "2026-11-22T07:59:50Z");
    }

    #[test]
    fn overruns_are_summed_by_the_name_that_the_client_asked_for() {
        let missed = [
            one("10.0.0.1", "203.0.113.1", Reason::Expired, 3, 500),
            one("10.0.0.1", "203.0.113.2", Reason::Expired, 4, 9000),
            one("10.0.0.3", "203.0.113.1", Reason::Expired, 1, 70),
            one("10.0.0.3", "203.0.113.7", Reason::Expired, 1, 20),
            one("10.0.0.3", "203.0.113.8", Reason::NeverResolved, 1, 0),
        ];
        let names = names(&[
            ("10.0.0.1", "a.x.y", "203.0.113.1"),
            ("10.0.0.1", "a.x.y", "203.0.113.2"),
            ("10.0.0.2", "b.x.y", "203.0.113.1"),
        ]);
        let told = overruns(&missed, &names, clocks());
        let told = told.iter().map(|one| {
            (
                one.name.as_str(),
                one.longest_ms,
                one.drops,
                one.clients.len(),
            )
        });
        let told: Vec<_> = told.collect();
        let expected = [
            ("a.x.y", 9000, 8, 2),
            ("b.x.y", 70, 1, 1),
            ("203.0.113.7", 20, 1, 1),
        ];
        assert_eq!(told, expected);
    }
}
