//! Learned addresses, with all that is known of them.
//!
//! In: what the kernel holds, the generation in force, and names. Out: [`Known`], as `dns list`, `show` and
//! `export` tell of it.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use egress_common::{
    learned::Slot,
    rule::{ALLOW, Ruleset},
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    names::{Names, Naming},
    time::Clocks,
};
use crate::{
    dataplane::learned::Entry,
    policy::{generation::Generation, ids::Ids},
};

/// A learned address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Known {
    /// The address.
    pub address: IpAddr,
    /// What taught it.
    pub teachings: Vec<Teaching>,
    /// The names that answers gave it for, the one answered last first; empty where they are lost.
    pub names: Vec<Naming>,
    /// Connections that it admitted.
    pub hits: u64,
    /// When it was first taught, since the maps hold it.
    pub first_seen: Timestamp,
    /// When it was last taught or used.
    pub last_seen: Timestamp,
}

/// A pattern that taught an address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Teaching {
    /// The pattern.
    pub pattern: String,
    /// Groups that the pattern allows it to, on some port.
    pub groups: Vec<String>,
    /// Endpoint sets and rules that the pattern is in.
    pub sets: Vec<String>,
    /// When the answer ends.
    pub expires: Timestamp,
    /// Negative once it has expired.
    pub seconds_left: i64,
}

/// What numbers mean.
pub struct Reader<'a> {
    generation: &'a Generation,
    ids: &'a Ids,
    patterns: HashMap<u32, &'a str>,
    rulesets: HashMap<u32, u32>,
    sets: HashMap<u16, &'a str>,
    clocks: Clocks,
}

impl<'a> Reader<'a> {
    /// Of a generation, at this moment.
    pub fn new(generation: &'a Generation, ids: &'a Ids, clocks: Clocks) -> Self {
        let rulesets = generation.patterns.iter();
        Self {
            generation,
            ids,
            patterns: ids.patterns(),
            rulesets: rulesets.map(|one| (one.id, one.ruleset)).collect(),
            sets: ids.sets().map(|(key, id)| (id, key)).collect(),
            clocks,
        }
    }

    /// What is known of a learned address.
    pub fn known(&self, entry: &Entry, names: &Names) -> Known {
        let Entry { address, learned } = entry;
        let mut teachings: Vec<_> = learned
            .teachings()
            .map(|slot| self.teaching(slot))
            .collect();
        teachings.sort_by_key(|teaching| std::cmp::Reverse(teaching.expires));
        let listed = names.of(*address).iter();
        Known {
            address: *address,
            teachings,
            names: listed
                .filter(|one| one.pattern.is_some())
                .cloned()
                .collect(),
            hits: learned.hits,
            first_seen: self.clocks.at(learned.first_ms),
            last_seen: self.clocks.at(learned.last_ms),
        }
    }

    /// The text of a pattern.
    pub fn pattern(&self, id: u32) -> String {
        let known = self.patterns.get(&id).map(|text| (*text).to_owned());
        known.unwrap_or_else(|| format!("pattern {id}"))
    }

    /// The id of a pattern.
    pub fn pattern_id(&self, text: &str) -> Option<u32> {
        self.ids.pattern_id(text)
    }

    fn teaching(&self, slot: Slot) -> Teaching {
        let ruleset = self.rulesets.get(&slot.pattern);
        let ruleset = ruleset.and_then(|index| self.generation.rulesets.get(*index as usize));
        let left_ms = slot.expires_ms as i64 - self.clocks.boot_ms as i64;
        Teaching {
            pattern: self.pattern(slot.pattern),
            groups: ruleset.map(|one| self.groups(one)).unwrap_or_default(),
            sets: ruleset.map(|one| self.set_keys(one)).unwrap_or_default(),
            expires: self.clocks.at(slot.expires_ms),
            seconds_left: left_ms.div_euclid(1000),
        }
    }

    fn groups(&self, ruleset: &Ruleset) -> Vec<String> {
        let rules = ruleset.rules.iter().take(ruleset.len as usize);
        let allowed = rules.filter(|rule| rule.effect == ALLOW);
        let bits = allowed.fold(0, |bits, rule| bits | rule.groups);
        let groups = self.generation.groups.iter().enumerate();
        let named = groups.filter(|(number, _)| bits >> number & 1 == 1);
        named.map(|(_, group)| group.name.clone()).collect()
    }

    fn set_keys(&self, ruleset: &Ruleset) -> Vec<String> {
        let rules = ruleset.rules.iter().take(ruleset.len as usize);
        let keys = rules.filter_map(|rule| self.sets.get(&rule.set).map(|key| (*key).to_owned()));
        keys.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Known {
    /// Seconds for which the last of its teachings counts; negative once that is over.
    pub fn seconds_left(&self) -> i64 {
        let left = self.teachings.iter().map(|teaching| teaching.seconds_left);
        left.max().unwrap_or(i64::MIN)
    }

    /// Whether it is about this name, in any case, or this pattern.
    pub fn is_of(&self, text: &str) -> bool {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut names = self.names.iter();
        let mut teachings = self.teachings.iter();
        names.any(|naming| naming.name.eq_ignore_ascii_case(text))
            || teachings.any(|teaching| teaching.pattern.eq_ignore_ascii_case(text))
    }
}

#[cfg(test)]
mod tests;
