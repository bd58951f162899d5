//! A document's addresses, as the kernel may learn them now.
//!
//! In: a [`Document`], the generation in force, and both clocks. Out: a [`Plan`]: slots by address, and what is
//! left out. What comes in admits no more than an answer at this moment would: only by patterns in force,
//! not beyond the cap, and no address that nobody may learn.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use egress_common::{
    flow::Addr,
    learned::{EVERYBODY, LearnedKey, Slot},
    rule::Destination,
};
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    document::{Document, Taught},
    time::Clocks,
};
use crate::policy::{generation::Generation, tables::longest};

/// What is to be taught.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Slots by address.
    pub teach: Vec<(LearnedKey, Vec<Slot>)>,
    /// What becomes of the rest.
    pub told: Told,
}

/// What became of a document's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Told {
    /// Addresses that are taught.
    pub addresses: usize,
    /// Their teachings.
    pub teachings: usize,
    /// Teachings that end sooner than the document says, by the cap.
    pub shortened: usize,
    /// Teachings that have expired.
    pub expired: usize,
    /// Addresses that nobody may learn: private, local, internal, the gateway's own, and in no set.
    pub refused: Vec<IpAddr>,
    /// Teachings by patterns that the generation in force does not know.
    pub unknown_patterns: BTreeMap<String, usize>,
}

/// What may be learned now.
pub struct Admission<'a> {
    patterns: HashMap<String, u32>,
    destinations: &'a BTreeMap<IpNet, Destination>,
    cap_ms: u64,
    clocks: Clocks,
}

impl<'a> Admission<'a> {
    /// By a generation, at this moment.
    pub fn by(generation: &'a Generation, clocks: Clocks) -> Self {
        let patterns = generation.patterns.iter();
        Self {
            patterns: patterns
                .map(|one| (one.pattern.to_string(), one.id))
                .collect(),
            destinations: &generation.destinations,
            cap_ms: u64::from(generation.settings.ttl_cap) * 1000,
            clocks,
        }
    }

    /// What is to be taught of a document.
    pub fn plan(&self, document: &Document) -> Plan {
        let mut plan = Plan::default();
        for taught in &document.addresses {
            let addr = Addr::from(taught.address).learned_as();
            if self.is_refused(addr) {
                plan.told.refused.push(taught.address);
                continue;
            }
            let slots = self.slots(taught, &mut plan.told);
            if !slots.is_empty() {
                plan.told.addresses += 1;
                plan.told.teachings += slots.len();
                let client = taught.client.map_or(EVERYBODY, Addr::from);
                plan.teach.push((LearnedKey { addr, client }, slots));
            }
        }
        plan
    }

    fn slots(&self, taught: &Taught, told: &mut Told) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (pattern, until) in &taught.teachings {
            let left_ms = match u64::try_from(self.clocks.ms_until(*until)) {
                Ok(left_ms) if left_ms > 0 => left_ms,
                _ => {
                    told.expired += 1;
                    continue;
                }
            };
            let pattern = pattern.to_string();
            let Some(id) = self.patterns.get(&pattern) else {
                *told.unknown_patterns.entry(pattern).or_default() += 1;
                continue;
            };
            told.shortened += usize::from(left_ms > self.cap_ms);
            slots.push(Slot {
                pattern: *id,
                expires_ms: self.clocks.boot_ms + left_ms.min(self.cap_ms),
            });
        }
        slots
    }

    fn is_refused(&self, addr: Addr) -> bool {
        let said = longest(self.destinations, addr.into()).map(|(_, said)| *said);
        said.unwrap_or_default().refuses(&addr)
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Date;

    use super::*;
    use crate::{
        config::Config,
        dns::document::read,
        policy::{
            compile::{Circumstances, compile},
            ids::Ids,
        },
    };

    const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
internal = ["198.18.0.0/15"]
[dns]
ttl-cap = 3600
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.x.y", "a.example"]
ips = ["10.5.0.0/16", "fd00:5::/64"]
tcpPorts = "443"
[group.a]
clients = ["10.0.0.0/8"]
allow = ["corp"]
"#;

    fn plan(lines: &[(&str, &str, &str)]) -> Plan {
        let mut ids = Ids::default();
        let own = ["192.0.2.1".parse().unwrap()];
        let circumstances = Circumstances {
            own: &own,
            today: Date::constant(2026, 11, 22),
        };
        let generation = compile(&Config::parse(CONFIG).unwrap(), circumstances, &mut ids).unwrap();
        let clocks = Clocks {
            wall: "2026-11-22T08:00:00Z".parse().unwrap(),
            boot_ms: 1_000_000,
        };
        let mut text =
            "{\"schema\":\"egress.dns/1\",\"exported\":\"2026-11-22T07:00:00Z\"}\n".to_owned();
        for (address, pattern, expires) in lines {
            text += &format!(
                "{{\"address\":\"{address}\",\"teachings\":[{{\"pattern\":\"{pattern}\",\"expires\":\"{expires}\"}}]}}\n"
            );
        }
        Admission::by(&generation, clocks).plan(&read(&text).unwrap())
    }

    #[test]
    fn what_still_counts_is_taught_for_the_rest_of_its_time_and_no_more_than_the_cap() {
        let plan = plan(&[
            ("203.0.113.1", "*.X.y", "2026-11-22T08:00:10Z"),
            ("203.0.113.2", "a.example", "2027-11-22T08:00:00Z"),
            ("203.0.113.3", "a.example", "9999-12-30T00:00:00Z"),
            ("203.0.113.4", "a.example", "2026-11-22T08:00:00Z"),
            ("203.0.113.5", "a.example", "1970-01-01T00:00:00Z"),
        ]);
        let left: Vec<_> = plan
            .teach
            .iter()
            .map(|(_, slots)| slots[0].expires_ms)
            .collect();
        assert_eq!(left, [1_010_000, 4_600_000, 4_600_000]);
        let told = plan.told;
        assert_eq!((told.addresses, told.teachings), (3, 3));
        assert_eq!((told.shortened, told.expired), (2, 2));
    }

    #[test]
    fn what_no_answer_may_teach_no_file_teaches() {
        let until = "2026-11-22T08:30:00Z";
        let kept_out = [
            "10.0.0.9",
            "127.0.0.1",
            "fe80::1",
            "224.0.0.1",
            "192.0.2.1",
            "198.18.7.7",
        ];
        let plan = plan(&kept_out.map(|address| (address, "*.x.y", until)));
        assert_eq!(plan.teach, []);
        assert_eq!(plan.told.refused.len(), kept_out.len());
    }

    #[test]
    fn what_a_set_lists_may_be_private() {
        let until = "2026-11-22T08:30:00Z";
        let plan =
            plan(&["10.5.0.4", "fd00:5::4", "10.6.0.4", "fd00:6::4"].map(|a| (a, "*.x.y", until)));
        let taught = plan
            .teach
            .iter()
            .map(|(key, _)| IpAddr::from(key.addr).to_string());
        assert_eq!(taught.collect::<Vec<_>>(), ["10.5.0.4", "fd00:5::4"]);
        assert_eq!(plan.told.refused.len(), 2);
    }

    #[test]
    fn patterns_that_are_not_in_force_are_told() {
        let until = "2026-11-22T08:30:00Z";
        let plan = plan(&[
            ("203.0.113.1", "*.elsewhere", until),
            ("203.0.113.2", "*.elsewhere", until),
            ("203.0.113.3", "*.x.y", until),
        ]);
        assert_eq!(plan.teach.len(), 1);
        let unknown = BTreeMap::from([("*.elsewhere".to_owned(), 2)]);
        assert_eq!(plan.told.unknown_patterns, unknown);
    }
}
