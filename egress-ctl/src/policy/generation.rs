//! A compiled generation, as it goes into the kernel's maps.

use std::collections::BTreeMap;

use egress_common::{
    flow::{Addr, V4_PREFIX_BITS},
    pattern::{NameKey, NamePattern},
    rule::{ClientKey, Destination, GroupPolicy, PrefixKey, Ruleset, Settings, ZONE_BITS},
};
use ipnet::IpNet;

use super::{membership::Membership, steer::Steered};

/// Everything that is swapped as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Mode and TTL bounds.
    pub settings: Settings,
    /// Client groups, in the order of their numbers.
    pub groups: Vec<CompiledGroup>,
    /// Zones, source prefixes in them, and the group of each.
    pub membership: Membership,
    /// Destination prefixes, what they allow and what they are.
    pub destinations: BTreeMap<IpNet, Destination>,
    /// Name patterns in the order of their texts.
    pub patterns: Vec<Pattern>,
    /// Rulesets; the first one is empty.
    pub rulesets: Vec<Ruleset>,
    /// How packets leave that are allowed.
    pub steered: Steered,
    /// How many endpoint sets some group may reach.
    pub sets: usize,
    /// What the administrator should know, though it is no error.
    pub warnings: Vec<String>,
}

/// A client group in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledGroup {
    /// Its name.
    pub name: String,
    /// What holds for it.
    pub policy: GroupPolicy,
}

/// A name pattern in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// The pattern.
    pub pattern: NamePattern,
    /// Its id, which stays over generations.
    pub id: u32,
    /// Index of its ruleset, the union over all patterns that cover it.
    pub ruleset: u32,
}

impl Pattern {
    /// Key in the kernel's trie; none for patterns that the kernel does not match.
    pub fn key(&self) -> Option<NameKey> {
        self.pattern.key()
    }
}

/// A prefix as the kernel's tries hold it.
pub fn prefix_key(prefix: IpNet) -> PrefixKey {
    let bits = match prefix {
        IpNet::V4(v4) => V4_PREFIX_BITS + u32::from(v4.prefix_len()),
        IpNet::V6(v6) => u32::from(v6.prefix_len()),
    };
    PrefixKey {
        bits,
        addr: Addr::from(prefix.network()),
    }
}

/// A prefix of clients as the kernel's trie holds it.
pub fn client_key(zone: u32, prefix: IpNet) -> ClientKey {
    let PrefixKey { bits, addr } = prefix_key(prefix);
    ClientKey {
        bits: ZONE_BITS + bits,
        zone: zone.to_be(),
        addr,
    }
}

impl Generation {
    /// The pattern that the kernel's trie finds for a name: the longest one that matches.
    pub fn pattern_of(&self, name: &str) -> Option<&Pattern> {
        self.patterns
            .iter()
            .filter(|pattern| pattern.pattern.matches(name))
            .filter_map(|pattern| Some((pattern.key()?.len, pattern)))
            .max_by_key(|(len, _)| *len)
            .map(|(_, pattern)| pattern)
    }
}
