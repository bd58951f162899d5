//! What is decided about a packet, and why.

use crate::{learned::Slot, limits::GROUP_NAMES};

/// The outcome for one packet before the mode is applied: allowed for a cause, or denied for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// Id of the endpoint set or rule that allowed or denied it; [`NO_SET`] where none did.
    pub set: u16,
    /// The client's group; [`NO_GROUP`] where it has none, or where the group was not asked for.
    pub group: u8,
    /// What to remember of the connection, as the word of a [`Slot`](crate::learned::Slot): the pattern
    /// that admits it, and until when if it falls silent. 0 where there is nothing to remember.
    pub admits: u64,
}

/// In place of an endpoint set's id where no set is concerned.
pub const NO_SET: u16 = u16::MAX;
/// In place of a group's number where no group is concerned.
pub const NO_GROUP: u8 = u8::MAX;

impl Verdict {
    /// As a global function returns it, without what to remember: group (byte 3), number of the reason
    /// (byte 2), set.
    #[inline(always)]
    pub const fn to_code(self) -> u32 {
        (self.group as u32) << 24 | (self.reason as u32) << 16 | self.set as u32
    }

    /// From what a global function returned.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        Self {
            reason: Reason::from_number((code >> 16) as u8),
            set: code as u16,
            group: (code >> 24) as u8,
            admits: 0,
        }
    }

    /// A verdict that neither endpoint set nor group is concerned with.
    #[inline(always)]
    pub const fn because(reason: Reason) -> Self {
        Self {
            reason,
            set: NO_SET,
            group: NO_GROUP,
            admits: 0,
        }
    }

    /// Id of the pattern that admits the connection; 0 where a prefix allows it, or nothing does.
    #[inline(always)]
    pub const fn pattern(self) -> u32 {
        match Slot::from_word(self.admits) {
            Some(slot) => slot.pattern,
            None => 0,
        }
    }

    /// A verdict of an endpoint set or rule.
    #[inline(always)]
    pub const fn by(reason: Reason, set: u16) -> Self {
        Self {
            set,
            ..Self::because(reason)
        }
    }

    /// The same for a client of this group.
    #[inline(always)]
    pub const fn of_group(self, group: u32) -> Self {
        Self {
            group: group as u8,
            ..self
        }
    }
}

/// Declares the reasons once: number, name in output, whether the packet passes.
macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $passes:literal;)*) => {
        /// Why a packet passes or does not; the number indexes the kernel's counters and never changes its meaning.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name = $number,)*
        }

        impl Reason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The reason of a number; a number that is none means that there is no policy.
            #[inline(always)]
            pub const fn from_number(number: u8) -> Self {
                match number {
                    $($number => Self::$name,)*
                    _ => Self::NoPolicy,
                }
            }

            /// Whether a packet that is judged so passes.
            #[inline(always)]
            pub const fn passes(self) -> bool {
                match self {
                    $(Self::$name => $passes,)*
                }
            }

            /// The name in commands' output.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

reasons! {
    /// Address resolution and other link control that is never routed (ARP, LLDP, EAPOL).
    LinkControl = 0, "link-control", true;
    /// To a destination that is never routed: neighbour discovery, DHCP, local multicast.
    LinkScope = 1, "link-scope", true;
    /// To an address of the gateway itself.
    Gateway = 2, "gateway", true;
    /// To a prefix that the config calls internal.
    Internal = 3, "internal", true;
    /// A DNS query to a configured resolver.
    Resolver = 4, "resolver", true;
    /// A prefix of an endpoint set allows it.
    Prefix = 5, "prefix", true;
    /// An address that a DNS answer gave for an allowed name.
    Learned = 6, "learned", true;
    /// A connection to a learned address whose answer has expired meanwhile.
    Established = 7, "established", true;
    /// The client's group is not judged.
    GroupOff = 8, "group-off", true;
    /// An ICMP error about a packet of a flow that passes.
    Related = 9, "related", true;
    /// A later fragment of a datagram whose first one passed.
    Fragment = 10, "fragment", true;
    /// The destination is in the policy, but nothing of it is allowed to this client's group.
    NoRule = 16, "no-rule", false;
    /// The destination is allowed, on other ports.
    WrongPort = 17, "wrong-port", false;
    /// The destination is allowed, with another protocol.
    WrongProtocol = 18, "wrong-protocol", false;
    /// The DNS answer that gave the address has expired.
    Expired = 19, "expired", false;
    /// In no prefix, and no DNS answer gave the address.
    NeverResolved = 20, "never-resolved", false;
    /// A DNS answer gave the address for a name that no pattern lists.
    NameNotAllowed = 21, "name-not-allowed", false;
    /// The source address belongs to no client group.
    NoGroup = 22, "no-group", false;
    /// A later fragment, of which no first one with its ports passed.
    FragmentUnknown = 23, "fragment-unknown", false;
    /// Headers that are cut off, contradict each other or go on beyond the bound.
    Malformed = 24, "malformed", false;
    /// An EtherType that is neither IP nor link control.
    EtherType = 25, "ethertype", false;
    /// An IPv4 address inside an IPv6 header.
    EmbeddedAddress = 26, "embedded-address", false;
    /// No generation is loaded, or a table of it is missing.
    NoPolicy = 27, "no-policy", false;
    /// A rule of the config denies it.
    Denied = 28, "denied", false;
    /// It names stations on its way (IPv4 source routing, an IPv6 routing header with segments left).
    SourceRoute = 29, "source-route", false;
    /// A fragment that overlaps another one of its datagram, or contradicts it: none of it may pass.
    FragmentOverlap = 30, "fragment-overlap", false;
    /// A client tells a machine elsewhere to use another route.
    Redirect = 31, "redirect", false;
    /// A DNS query to a resolver whose answers do not teach, from a group that may ask none other.
    ResolverNotTrusted = 32, "resolver-not-trusted", false;
    /// A DNS query for a name that its group may not ask for.
    DnsNameRefused = 33, "dns-name-refused", false;
    /// DNS over TLS or QUIC (RFC 7858, RFC 9250) that nothing allows.
    EncryptedDns = 34, "encrypted-dns", false;
}

/// Places for reasons in a table of counters.
pub const REASONS: usize = 64;

const _: () = {
    let mut i = 0;
    while i < Reason::ALL.len() {
        assert!((Reason::ALL[i] as usize) < REASONS);
        i += 1;
    }
};

/// What happens to the packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It passes because it is allowed.
    Allow = 0,
    /// It is dropped.
    Drop = 1,
    /// It passes although it is not allowed, because the mode is audit.
    WouldDrop = 2,
    /// It is dropped, and the client is told so.
    Reject = 3,
}

/// What becomes of what is not allowed to a client group.
#[repr(u8)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Denial {
    /// It is dropped in silence.
    #[default]
    Drop = 0,
    /// The client is told, so that it fails at once instead of hanging.
    Reject = 1,
}

impl Denial {
    /// The denial of a map's value; a number that is none drops.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Reject,
            _ => Self::Drop,
        }
    }

    /// The name in the config and in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Reject => "reject",
        }
    }
}

impl Action {
    /// All actions, in the order of their numbers.
    pub const ALL: &[Self] = &[Self::Allow, Self::Drop, Self::WouldDrop, Self::Reject];

    /// The name in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Drop => "drop",
            Self::WouldDrop => "would-drop",
            Self::Reject => "reject",
        }
    }
}

/// What the gateway does with verdicts.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing is judged, everything passes.
    Off = 0,
    /// Everything is judged and passes; what would be dropped is counted.
    Audit = 1,
    /// What is not allowed is dropped.
    Enforce = 2,
}

impl Mode {
    /// The mode of a map's value; a number that is no mode enforces.
    #[inline(always)]
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Off,
            1 => Self::Audit,
            _ => Self::Enforce,
        }
    }

    /// The name in the config and in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Audit => "audit",
            Self::Enforce => "enforce",
        }
    }

    /// What happens to a packet with this reason.
    #[inline(always)]
    pub const fn action(self, reason: Reason, denial: Denial) -> Action {
        match (reason.passes(), self, denial) {
            (true, _, _) => Action::Allow,
            // A resolver says so at once: whoever waits for an answer asks another one, and waits again.
            (false, Self::Enforce, _) if matches!(reason, Reason::DnsNameRefused) => Action::Reject,
            (false, Self::Enforce, Denial::Drop) => Action::Drop,
            (false, Self::Enforce, Denial::Reject) => Action::Reject,
            (false, Self::Audit | Self::Off, _) => Action::WouldDrop,
        }
    }
}

/// Counters of one group.
const GROUP_COUNTERS: u32 = (Action::ALL.len() * REASONS) as u32;
/// Counters of all groups, and of packets of none.
pub const VERDICT_COUNTERS: u32 = (GROUP_NAMES + 1) * GROUP_COUNTERS;

/// Place of the counter of a group's counters (0 for no group), action and reason.
#[inline(always)]
pub const fn counter_index(counters: u8, action: Action, reason: Reason) -> u32 {
    counters as u32 * GROUP_COUNTERS + action as u32 * REASONS as u32 + reason as u32
}

/// Counters of replies, of all groups and of packets to none.
pub const REPLY_COUNTERS: u32 = (GROUP_NAMES + 1) * REASONS as u32;

/// Place of the counter of replies to a group (0 for no group), by the reason that holds for what they answer.
#[inline(always)]
pub const fn reply_index(counters: u8, reason: Reason) -> u32 {
    counters as u32 * REASONS as u32 + reason as u32
}

/// Packets and bytes (of whole frames), one per CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets since the maps were made.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

const _: () = assert!(size_of::<Counter>() == 16);

#[cfg(test)]
mod tests;
