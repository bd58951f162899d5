//! The compiled policy as the kernel's maps hold it.

use crate::{flow::Addr, limits::RULES, verdict::Reason};

/// One permission: some groups may use some ports of a protocol, because of one endpoint set.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Bit g stands for client group g.
    pub groups: u64,
    /// First destination port.
    pub port_low: u16,
    /// Last destination port.
    pub port_high: u16,
    /// Endpoint set, as its counter is numbered.
    pub set: u16,
    /// IP protocol number.
    pub proto: u8,
    /// Zero.
    pub pad: u8,
}

const _: () = assert!(size_of::<Rule>() == 16);

/// All permissions of a destination: the union over every prefix or pattern that covers it, sorted.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ruleset {
    /// How many of `rules` count.
    pub len: u32,
    /// Zero.
    pub pad: u32,
    /// The rules.
    pub rules: [Rule; RULES],
}

const _: () = assert!(size_of::<Ruleset>() == 8 + 16 * RULES);

/// Why nothing allowed a flow so far, as a set of bits: gathered without branches, which the
/// kernel's verifier would all have to follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Misses(u32);

impl Misses {
    /// No rule is for this client's group.
    pub const NONE: Self = Self(0);
    /// A rule is for another protocol.
    pub const PROTOCOL: Self = Self(1);
    /// A rule of the protocol is for other ports.
    pub const PORT: Self = Self(2);
    /// A rule would allow it, but what taught the address has expired.
    pub const EXPIRED: Self = Self(4);

    /// Both together.
    #[inline(always)]
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The nearest miss, which says most of what would have to change.
    #[inline(always)]
    pub const fn nearest(self) -> Reason {
        match self.0 {
            0 => Reason::NoRule,
            1 => Reason::WrongProtocol,
            2..=3 => Reason::WrongPort,
            _ => Reason::Expired,
        }
    }
}

/// What a ruleset says of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// A rule of this endpoint set allows it.
    Set(u16),
    /// None does.
    Not(Misses),
}

impl Match {
    /// Marks a miss in a code.
    const MISS: u32 = 1 << 16;

    /// As a global function returns it: misses behind a mark, or the set.
    #[inline(always)]
    pub const fn to_code(self) -> u32 {
        match self {
            Self::Set(set) => set as u32,
            Self::Not(misses) => Self::MISS | misses.0,
        }
    }

    /// From what a global function returned.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        if code & Self::MISS == 0 {
            Self::Set(code as u16)
        } else {
            Self::Not(Misses(code & 7))
        }
    }
}

impl Ruleset {
    /// Allows nothing.
    pub const EMPTY: Self = Self {
        len: 0,
        pad: 0,
        rules: [Rule {
            groups: 0,
            port_low: 0,
            port_high: 0,
            set: 0,
            proto: 0,
            pad: 0,
        }; RULES],
    };

    /// The first rule that allows `port` of `proto` to a client of `group`, or all misses.
    #[inline(always)]
    pub fn decide(&self, proto: u8, port: u16, group: u32) -> Match {
        let mut misses = Misses::NONE;
        for (i, rule) in self.rules.iter().enumerate() {
            if i as u32 >= self.len {
                break;
            }
            let group = (rule.groups >> (group & 63)) as u32 & 1;
            let proto = group & u32::from(rule.proto == proto);
            let port = proto & u32::from(rule.port_low <= port) & u32::from(port <= rule.port_high);
            if port != 0 {
                return Match::Set(rule.set);
            }
            misses = misses.and(Misses(group | proto << 1));
        }
        Match::Not(misses)
    }
}

/// What the table of destinations holds for a prefix: the union over all prefixes that cover it.
///
/// In the map: a `u64` of ruleset id (low 32 bits) and marks (high 32 bits), since Linux 6.1 refuses
/// struct values in inner maps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Index of the ruleset; 0 is the empty one.
    pub ruleset: u32,
    /// Bits of [`mark`].
    pub marks: u32,
}

/// What a destination is besides a target of rules.
pub mod mark {
    /// An address of the gateway itself.
    pub const GATEWAY: u32 = 1;
    /// In a prefix that is never judged.
    pub const INTERNAL: u32 = 2;
    /// A resolver elsewhere whose answers teach.
    pub const RESOLVER: u32 = 4;
    /// Answers that this machine makes from this address teach.
    pub const LOCAL_RESOLVER: u32 = 8;
}

impl Destination {
    /// From the map's value.
    #[inline(always)]
    pub const fn from_value(value: u64) -> Self {
        Self {
            ruleset: value as u32,
            marks: (value >> 32) as u32,
        }
    }

    /// The map's value.
    pub const fn to_value(self) -> u64 {
        self.ruleset as u64 | (self.marks as u64) << 32
    }

    /// Whether it has any of these marks.
    #[inline(always)]
    pub const fn is(self, marks: u32) -> bool {
        self.marks & marks != 0
    }
}

/// What holds for a whole generation.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// Number of the [`Mode`](crate::verdict::Mode).
    pub mode: u32,
    /// Shortest time for which an answer teaches, in seconds.
    pub ttl_floor: u32,
    /// Longest time for which an answer teaches, in seconds.
    pub ttl_cap: u32,
    /// Zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<Settings>() == 16);

/// Key of a prefix in the tables of clients and destinations, as `BPF_MAP_TYPE_LPM_TRIE` has it:
/// prefix length in bits, then the address from its most significant byte.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixKey {
    /// Bits of the address that count; 96 more than an IPv4 prefix's own length.
    pub bits: u32,
    /// The address.
    pub addr: Addr,
}

const _: () = assert!(size_of::<PrefixKey>() == 20);

impl PrefixKey {
    /// Key that looks one address up.
    #[inline(always)]
    pub const fn host(addr: Addr) -> Self {
        Self { bits: 128, addr }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruleset(rules: &[Rule]) -> Ruleset {
        let mut set = Ruleset::EMPTY;
        set.len = rules.len() as u32;
        set.rules[..rules.len()].copy_from_slice(rules);
        set
    }

    fn rule(groups: u64, proto: u8, ports: (u16, u16), set: u16) -> Rule {
        Rule {
            groups,
            port_low: ports.0,
            port_high: ports.1,
            set,
            proto,
            pad: 0,
        }
    }

    #[test]
    fn the_first_fitting_rule_allows_and_the_nearest_miss_says_why_not() {
        let set = ruleset(&[
            rule(0b01, 6, (80, 80), 1),
            rule(0b01, 6, (443, 443), 2),
            rule(0b10, 17, (3478, 3481), 3),
            rule(1 << 63, 6, (0, u16::MAX), 4),
        ]);
        let table = [
            (6, 80, 0, Ok(1)),
            (6, 443, 0, Ok(2)),
            (6, 8443, 0, Err(Reason::WrongPort)),
            (17, 443, 0, Err(Reason::WrongProtocol)),
            (17, 3478, 1, Ok(3)),
            (17, 3481, 1, Ok(3)),
            (17, 3482, 1, Err(Reason::WrongPort)),
            (6, 443, 1, Err(Reason::WrongProtocol)),
            (6, 443, 2, Err(Reason::NoRule)),
            (6, 65535, 63, Ok(4)),
        ];
        for (proto, port, group, expected) in table {
            let seen = match set.decide(proto, port, group) {
                Match::Set(set) => Ok(set),
                Match::Not(misses) => Err(misses.nearest()),
            };
            assert_eq!(seen, expected, "{proto} {port} {group}");
        }
        assert_eq!(Ruleset::EMPTY.decide(6, 443, 0), Match::Not(Misses::NONE));
    }

    #[test]
    fn matches_survive_a_global_function() {
        let misses = (0..8).map(|bits| Match::Not(Misses(bits)));
        for m in misses.chain([0, 1, u16::MAX].map(Match::Set)) {
            assert_eq!(Match::from_code(m.to_code()), m);
        }
    }

    #[test]
    fn destinations_survive_the_map() {
        let destination = Destination {
            ruleset: 4095,
            marks: mark::GATEWAY | mark::RESOLVER,
        };
        assert_eq!(Destination::from_value(destination.to_value()), destination);
        assert!(destination.is(mark::GATEWAY) && !destination.is(mark::INTERNAL));
    }
}
