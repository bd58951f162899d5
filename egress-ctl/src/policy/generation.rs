//! A compiled generation, as it goes into the kernel's maps.

use std::collections::BTreeMap;

use egress_common::{
    flow::{Addr, V4_PREFIX_BITS},
    pattern::NamePattern,
    rule::{ClientKey, Destination, GroupPolicy, PrefixKey, Ruleset, Settings, ZONE_BITS},
};
use ipnet::IpNet;

use super::{meet, membership::Membership, names::Names, steer::Steered};

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
    /// Where several of them meet.
    pub meetings: Vec<Meeting>,
    /// Names, as the kernel looks them up.
    pub names: Names,
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

/// Names that several patterns match, of which none covers another; or did, in an earlier generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// The patterns' texts, see [`meet::text`].
    pub text: String,
    /// Its id, which stays over generations.
    pub id: u32,
    /// Index of its ruleset, the union over all of these patterns, and of what covers them.
    pub ruleset: u32,
}

/// What an address of a name is taught by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teacher {
    /// Id of a pattern or a meeting.
    pub id: u32,
    /// Index of its ruleset.
    pub ruleset: u32,
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
    /// What the kernel finds for a name: of the patterns that match it the narrowest one, or the meeting of
    /// those of which none covers another.
    pub fn pattern_of(&self, name: &str) -> Option<Teacher> {
        let matching = self.patterns.iter().map(|pattern| &pattern.pattern);
        let narrowest = meet::narrowest(matching.filter(|pattern| pattern.matches(name)));
        let of_pattern = |pattern: &Pattern| Teacher {
            id: pattern.id,
            ruleset: pattern.ruleset,
        };
        let of_meeting = |meeting: &Meeting| Teacher {
            id: meeting.id,
            ruleset: meeting.ruleset,
        };
        match narrowest.as_slice() {
            [] => None,
            [one] => {
                let mut patterns = self.patterns.iter();
                patterns.find(|p| p.pattern == **one).map(of_pattern)
            }
            several => {
                let text = meet::text(several);
                let mut meetings = self.meetings.iter();
                meetings.find(|m| m.text == text).map(of_meeting)
            }
        }
    }

    /// Ids that teach, and the rulesets of each.
    pub fn taught_by(&self) -> impl Iterator<Item = (u32, u32)> {
        let patterns = self.patterns.iter().map(|one| (one.id, one.ruleset));
        patterns.chain(self.meetings.iter().map(|one| (one.id, one.ruleset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_count_the_bits_in_front_of_an_address_too() {
        let prefix = |text: &str| text.parse::<IpNet>().unwrap();
        let table = [
            ("10.0.0.0/8", 96 + 8),
            ("0.0.0.0/0", 96),
            ("192.0.2.1/32", 128),
            ("2001:db8::/32", 32),
            ("::/0", 0),
        ];
        for (text, bits) in table {
            let addr = Addr::from(prefix(text).network());
            assert_eq!(prefix_key(prefix(text)), PrefixKey { bits, addr }, "{text}");
            let client = client_key(0x0102_0304, prefix(text));
            assert_eq!((client.bits, client.addr), (32 + bits, addr), "{text}");
            assert_eq!(client.zone.to_ne_bytes(), [1, 2, 3, 4]);
        }
    }
}
