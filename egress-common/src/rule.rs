//! The compiled policy as the kernel's maps hold it.

use crate::{
    dns::policy::DnsPolicy,
    flow::Addr,
    learned::Scope,
    limits::RULES,
    verdict::{Denial, Mode, Reason},
};

/// One permission or denial: some groups may or may not use some ports of a protocol, because of one
/// endpoint set or one rule of the config.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// Bit g stands for client group g.
    pub groups: u64,
    /// First destination port; of ICMP type and code, as in a [`Flow`](crate::flow::Flow).
    pub port_low: u16,
    /// Last destination port.
    pub port_high: u16,
    /// Endpoint set or rule, as its counter is numbered.
    pub set: u16,
    /// IP protocol number, or [`ANY_PROTO`].
    pub proto: u8,
    /// [`DENY`], [`ALLOW`] or [`ASK`].
    pub effect: u8,
}

/// Stands for every protocol; IANA reserves the number.
pub const ANY_PROTO: u8 = 255;
/// Effect of a rule that denies; it wins over every rule that allows, and so stands in front of them.
pub const DENY: u8 = 0;
/// Effect of a rule that allows.
pub const ALLOW: u8 = 1;
/// Effect of a rule that allows nothing but to ask a resolver for the name; its range of ports is empty.
pub const ASK: u8 = 2;

const _: () = assert!(size_of::<Rule>() == 16);

/// All rules of a destination: the union over every prefix or pattern that covers it, sorted, those that
/// deny first.
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
    /// This rule denies it.
    Denied(u16),
    /// None does.
    Not(Misses),
}

impl Match {
    /// Marks a miss in a code.
    const MISS: u32 = 1 << 16;
    /// Marks a denial in a code.
    const DENIAL: u32 = 1 << 17;

    /// As a global function returns it: misses or a rule behind a mark, or the set.
    #[inline(always)]
    pub const fn to_code(self) -> u32 {
        match self {
            Self::Set(set) => set as u32,
            Self::Denied(rule) => Self::DENIAL | rule as u32,
            Self::Not(misses) => Self::MISS | misses.0,
        }
    }

    /// From what a global function returned.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        if code & Self::MISS != 0 {
            Self::Not(Misses(code & 7))
        } else if code & Self::DENIAL != 0 {
            Self::Denied(code as u16)
        } else {
            Self::Set(code as u16)
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
            effect: DENY,
        }; RULES],
    };

    /// The first rule for `port` of `proto` and a client of `group`, or all misses.
    #[inline(always)]
    pub fn decide(&self, proto: u8, port: u16, group: u32) -> Match {
        let mut misses = Misses::NONE;
        for (i, rule) in self.rules.iter().enumerate() {
            if i as u32 >= self.len {
                break;
            }
            let group = (rule.groups >> (group & 63)) as u32 & 1;
            let is_proto = u32::from(rule.proto == proto) | u32::from(rule.proto == ANY_PROTO);
            let proto = group & is_proto;
            let port = proto & u32::from(rule.port_low <= port) & u32::from(port <= rule.port_high);
            // A rule to ask for a name is no miss either.
            let allows = u32::from(rule.effect) & 1;
            if port != 0 {
                return if allows == 0 {
                    Match::Denied(rule.set)
                } else {
                    Match::Set(rule.set)
                };
            }
            // A denial that does not fit is no miss: without it, it would still not be allowed.
            misses = misses.and(Misses((group | proto << 1) * allows));
        }
        Match::Not(misses)
    }

    /// Whether a client of `group` may ask for the names that this is the ruleset of: those that it may use on
    /// some port, and those that it may ask for besides.
    #[inline(always)]
    pub fn asks(&self, group: u32) -> bool {
        let mut asks = 0;
        for (i, rule) in self.rules.iter().enumerate() {
            if i as u32 >= self.len {
                break;
            }
            let group = (rule.groups >> (group & 63)) as u32 & 1;
            asks |= group & u32::from(rule.effect != DENY);
        }
        asks != 0
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
    /// In a prefix of an endpoint set that some group may use.
    pub const LISTED: u32 = 16;
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

    /// Whether no answer may teach an address that has this destination: nobody reaches a public service at
    /// one that is special, the gateway's or internal. Where a set lists a prefix that covers it, there is one.
    #[inline(always)]
    pub const fn refuses(self, addr: &Addr) -> bool {
        (addr.is_special() || self.is(mark::GATEWAY | mark::INTERNAL)) && !self.is(mark::LISTED)
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
    /// Bits of [`feature`]: what the tables hold at all, so that a packet asks no table in vain.
    pub features: u32,
    /// How much longer than its TTL an answer teaches, in seconds.
    pub grace: u32,
}

const _: () = assert!(size_of::<Settings>() == 20);

impl Settings {
    /// Whom answers teach for.
    #[inline(always)]
    pub const fn scope(&self) -> Scope {
        if self.features & feature::CLIENT_SCOPE != 0 {
            Scope::Client
        } else {
            Scope::Policy
        }
    }

    /// For how many seconds a record with a TTL counts: what it says, between floor and cap. One with the high
    /// bit set says 0 (RFC 2181 section 8).
    #[inline(always)]
    pub fn ttl(&self, said: u32) -> u32 {
        let ttl = if said > i32::MAX as u32 { 0 } else { said };
        ttl.max(self.ttl_floor).min(self.ttl_cap)
    }

    /// How long an answer teaches whose record counts for so many seconds, in ms: with the grace.
    #[inline(always)]
    pub const fn taught_ms(&self, ttl: u32) -> u64 {
        const MS_PER_S: u64 = 1000;
        (ttl as u64 + self.grace as u64) * MS_PER_S
    }
}

/// What a generation makes use of.
pub mod feature {
    /// Groups are told apart by interface or VLAN.
    pub const PLACES: u32 = 1;
    /// Groups are told apart by MAC address.
    pub const MACHINES: u32 = 2;
    /// A name is denied, so an address that a prefix allows may be denied by what taught it.
    pub const DENIED_NAMES: u32 = 4;
    /// Packets of some endpoint sets are steered.
    pub const STEERS: u32 = 8;
    /// Replies are counted.
    pub const COUNTS_REPLIES: u32 = 16;
    /// Some group may ask for its own names only.
    pub const STRICT_DNS: u32 = 32;
    /// An answer teaches for the client that asked, and for nobody else.
    pub const CLIENT_SCOPE: u32 = 64;
    /// Destinations stand in the flat table instead of the trie, and clients of everywhere in both.
    pub const FLAT: u32 = 128;
    /// There are pairs of interfaces between which allowed packets are forwarded past the stack.
    pub const FORWARDS: u32 = 256;
}

/// What holds for one client group.
///
/// In the map: a `u32` of mode (byte 0), denial (byte 1), place of its counters (byte 2) and DNS policy (byte 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupPolicy {
    /// What becomes of verdicts.
    pub mode: Mode,
    /// What becomes of what is not allowed.
    pub denial: Denial,
    /// Place of its counters; 0 belongs to packets of no group.
    pub counters: u8,
    /// What becomes of its DNS queries.
    pub dns: DnsPolicy,
}

impl GroupPolicy {
    /// What holds where nothing is known: no packet passes.
    pub const NONE: Self = Self {
        mode: Mode::Enforce,
        denial: Denial::Drop,
        counters: 0,
        dns: DnsPolicy::Watch,
    };

    /// From the map's value.
    #[inline(always)]
    pub const fn from_value(value: u32) -> Self {
        Self {
            mode: Mode::from_number(value & 0xff),
            denial: Denial::from_number(value >> 8 & 0xff),
            counters: (value >> 16) as u8,
            dns: DnsPolicy::from_number(value >> 24),
        }
    }

    /// The map's value.
    pub const fn to_value(self) -> u32 {
        self.mode as u32
            | (self.denial as u32) << 8
            | (self.counters as u32) << 16
            | (self.dns as u32) << 24
    }
}

/// Where a frame came in, as the kernel's table of places is asked.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlaceKey {
    /// Index of the interface.
    pub interface: u32,
    /// VLAN of the outer tag, 0 for none, or [`ANY_VLAN`].
    pub vlan: u16,
    /// Half of the tables.
    pub half: u16,
}

const _: () = assert!(size_of::<PlaceKey>() == 8);

/// Stands for every VLAN of an interface that has no entry of its own; IEEE 802.1Q reserves the number.
pub const ANY_VLAN: u16 = 0xffff;

/// A listed machine at a place.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineKey {
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Half of the tables.
    pub half: u16,
    /// Zone of the place.
    pub zone: u32,
}

const _: () = assert!(size_of::<MachineKey>() == 12);

/// Key of a prefix of clients, which counts in one zone: prefix length in bits, zone, address.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientKey {
    /// Bits of zone and address that count; [`ZONE_BITS`] and 96 more than an IPv4 prefix's own length.
    pub bits: u32,
    /// The zone, in network byte order.
    pub zone: u32,
    /// The address.
    pub addr: Addr,
}

const _: () = assert!(size_of::<ClientKey>() == 24);

/// Bits of the zone in front of a client's address.
pub const ZONE_BITS: u32 = 32;

impl ClientKey {
    /// Key that looks one client up.
    #[inline(always)]
    pub const fn host(zone: u32, addr: Addr) -> Self {
        Self {
            bits: ZONE_BITS + 128,
            zone: zone.to_be(),
            addr,
        }
    }
}

/// Key of a prefix in the table of destinations, as `BPF_MAP_TYPE_LPM_TRIE` has it:
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
mod tests;
