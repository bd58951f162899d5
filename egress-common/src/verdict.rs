//! What is decided about a packet, and why.

/// The outcome for one packet before the mode is applied: allowed for a cause, or denied for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Why.
    pub reason: Reason,
    /// Id of the endpoint set whose rule allowed it; [`NO_SET`] where no rule did.
    pub set: u16,
    /// What to remember of the connection, as the word of a [`Slot`](crate::learned::Slot): the pattern
    /// that admits it, and until when if it falls silent. 0 where there is nothing to remember.
    pub admits: u64,
}

/// In place of an endpoint set's id where no set is concerned.
pub const NO_SET: u16 = u16::MAX;

impl Verdict {
    /// As a global function returns it, without what to remember: number of the reason in the high half, set in the low half.
    #[inline(always)]
    pub const fn to_code(self) -> u32 {
        (self.reason as u32) << 16 | self.set as u32
    }

    /// From what a global function returned.
    #[inline(always)]
    pub const fn from_code(code: u32) -> Self {
        Self {
            reason: Reason::from_number((code >> 16) as u8),
            set: code as u16,
            admits: 0,
        }
    }

    /// A verdict that no endpoint set is concerned with.
    #[inline(always)]
    pub const fn because(reason: Reason) -> Self {
        Self {
            reason,
            set: NO_SET,
            admits: 0,
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
    /// A later fragment, which has no ports to judge.
    FragmentUnknown = 23, "fragment-unknown", false;
    /// Headers that are cut off, contradict each other or go on beyond the bound.
    Malformed = 24, "malformed", false;
    /// An EtherType that is neither IP nor link control.
    EtherType = 25, "ethertype", false;
    /// An IPv4 address inside an IPv6 header.
    EmbeddedAddress = 26, "embedded-address", false;
    /// No generation is loaded, or a table of it is missing.
    NoPolicy = 27, "no-policy", false;
}

/// Places for reasons in a table of counters.
pub const REASONS: usize = 32;

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
}

impl Action {
    /// All actions, in the order of their numbers.
    pub const ALL: &[Self] = &[Self::Allow, Self::Drop, Self::WouldDrop];

    /// The name in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Drop => "drop",
            Self::WouldDrop => "would-drop",
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
    pub const fn action(self, reason: Reason) -> Action {
        match (reason.passes(), self) {
            (true, _) => Action::Allow,
            (false, Self::Enforce) => Action::Drop,
            (false, Self::Audit | Self::Off) => Action::WouldDrop,
        }
    }
}

/// Counters of one action and reason stand at `action * REASONS + reason`.
pub const VERDICT_COUNTERS: u32 = (Action::ALL.len() * REASONS) as u32;

/// Place of the counter of an action and reason.
#[inline(always)]
pub const fn counter_index(action: Action, reason: Reason) -> u32 {
    action as u32 * REASONS as u32 + reason as u32
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
mod tests {
    use super::*;

    #[test]
    fn the_mode_decides_what_a_denial_means() {
        let table = [
            (Mode::Enforce, Reason::Prefix, Action::Allow),
            (Mode::Audit, Reason::Learned, Action::Allow),
            (Mode::Enforce, Reason::WrongPort, Action::Drop),
            (Mode::Audit, Reason::WrongPort, Action::WouldDrop),
            (Mode::Enforce, Reason::Malformed, Action::Drop),
        ];
        for (mode, reason, action) in table {
            assert_eq!(mode.action(reason), action, "{mode:?} {reason:?}");
        }
        assert_eq!(Mode::from_number(77), Mode::Enforce);
    }

    #[test]
    fn counters_do_not_share_places() {
        let mut places: Vec<u32> = Action::ALL
            .iter()
            .flat_map(|a| Reason::ALL.iter().map(|r| counter_index(*a, *r)))
            .collect();
        let all = places.len();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), all);
        assert!(places.iter().all(|p| *p < VERDICT_COUNTERS));
    }

    #[test]
    fn verdicts_survive_a_global_function() {
        for reason in Reason::ALL {
            for set in [0, 7, NO_SET] {
                let verdict = Verdict {
                    reason: *reason,
                    set,
                    admits: 0,
                };
                assert_eq!(Verdict::from_code(verdict.to_code()), verdict);
            }
        }
        assert_eq!(Reason::from_number(200), Reason::NoPolicy);
    }

    #[test]
    fn names_of_reasons_are_distinct() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
