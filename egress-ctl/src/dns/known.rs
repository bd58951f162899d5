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
use schemars::JsonSchema;
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
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Known {
    /// The address.
    pub address: IpAddr,
    /// The client that it was taught for; none where that is the whole policy.
    pub client: Option<IpAddr>,
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
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
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
    patterns: &'a HashMap<u32, String>,
    policy: Option<Policy<'a>>,
    clocks: Clocks,
}

/// What patterns allow.
struct Policy<'a> {
    generation: &'a Generation,
    rulesets: HashMap<u32, u32>,
    sets: HashMap<u16, &'a str>,
}

impl<'a> Reader<'a> {
    /// Knows what patterns are called at this moment.
    pub fn new(patterns: &'a HashMap<u32, String>, clocks: Clocks) -> Self {
        Self {
            patterns,
            policy: None,
            clocks,
        }
    }

    /// Knows as well what they allow.
    #[must_use]
    pub fn with_policy(self, generation: &'a Generation, ids: &'a Ids) -> Self {
        let rulesets = generation.patterns.iter();
        let policy = Policy {
            generation,
            rulesets: rulesets.map(|one| (one.id, one.ruleset)).collect(),
            sets: ids.sets().map(|(key, id)| (id, key)).collect(),
        };
        Self {
            policy: Some(policy),
            ..self
        }
    }

    /// What is known of a learned address.
    pub fn known(&self, entry: &Entry, names: &Names) -> Known {
        let (address, learned) = (entry.address(), &entry.learned);
        let teachings = learned.teachings().map(|slot| self.teaching(slot));
        let mut teachings: Vec<_> = teachings.collect();
        teachings.sort_by_key(|teaching| std::cmp::Reverse(teaching.expires));
        let names = names.of(address).iter();
        let listed = names.filter(|naming| naming.pattern.is_some());
        Known {
            address,
            client: entry.client(),
            teachings,
            names: listed.cloned().collect(),
            hits: learned.hits,
            first_seen: self.clocks.at(learned.first_ms),
            last_seen: self.clocks.at(learned.last_ms),
        }
    }

    fn teaching(&self, slot: Slot) -> Teaching {
        let Slot {
            pattern,
            expires_ms,
        } = slot;
        let ruleset = self.policy.as_ref();
        let ruleset = ruleset.and_then(|policy| Some((policy, policy.ruleset(pattern)?)));
        let (groups, sets) = ruleset
            .map(|(policy, ruleset)| (policy.groups(ruleset), policy.set_keys(ruleset)))
            .unwrap_or_default();
        let left_ms = expires_ms as i64 - self.clocks.boot_ms as i64;
        let named = self.patterns.get(&pattern).cloned();
        Teaching {
            pattern: named.unwrap_or_else(|| format!("pattern {pattern}")),
            groups,
            sets,
            expires: self.clocks.at(expires_ms),
            seconds_left: left_ms.div_euclid(1000),
        }
    }
}

impl Policy<'_> {
    fn ruleset(&self, pattern: u32) -> Option<&Ruleset> {
        let index = self.rulesets.get(&pattern)?;
        self.generation.rulesets.get(*index as usize)
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
