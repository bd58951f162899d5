//! The fast path: allowed packets are forwarded by the program that judged them, past the machine's own stack.
//!
//! In: a frame, and the next hop that the kernel's table of routes gives its packet. Out: the frame as the
//! stack would send it, to the byte; or the [`Fate`] that sends it up the stack, untouched. What is not the
//! plainest of packets goes there.

mod frame;
mod hop;

pub use self::frame::{Crossing, Headers, Headers4, Headers6, crossing};
pub use self::hop::{Hop, PLACES, Pair, PairKey, Route, WAYS, family};

use crate::verdict::Reason;

/// Set in the word under which next hops are remembered, while nothing is forwarded.
pub const PAUSED: u64 = 1 << 63;

macro_rules! fates {
    ($($(#[$doc:meta])* $fate:ident = $number:literal, $name:literal;)*) => {
        /// What becomes of an allowed packet where there is a fast path.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fate {
            $($(#[$doc])* $fate = $number,)*
        }

        impl Fate {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$fate),*];

            /// The name in commands' output.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$fate => $name,)*
                }
            }

            /// The fate of a number; of one that is none, nothing is known.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$fate,)*
                    _ => Self::NoRoute,
                }
            }
        }
    };
}

fates! {
    /// It left past the stack; all others went up.
    Forwarded = 0, "forwarded";
    /// Nothing is forwarded while user space looks whether it may be.
    Paused = 1, "paused";
    /// It is for this machine, for its link, or not understood.
    Local = 2, "local";
    /// DNS, which others on this machine want to see.
    Dns = 3, "dns";
    /// It is steered by its mark, priority or DSCP.
    Steered = 4, "steered";
    /// A fragment.
    Fragment = 5, "fragment";
    /// IPv4 options, or IPv6 extension headers.
    Options = 6, "options";
    /// A VLAN tag.
    Tagged = 7, "tagged";
    /// A frame in several buffers, or with more behind the packet than pads it.
    Buffers = 8, "buffers";
    /// ICMP that is neither an echo request nor its reply.
    Icmp = 9, "icmp";
    /// This gateway is the last that it reaches.
    TimeToLive = 10, "ttl";
    /// Longer than what the way to its next hop takes.
    TooLong = 11, "too-long";
    /// The IPv4 header's checksum is wrong.
    Checksum = 12, "checksum";
    /// From or to an address that no router forwards.
    Address = 13, "address";
    /// The frame is for another machine, or for several.
    NotOurs = 14, "not-ours";
    /// There is no route to it, or none that is plain.
    NoRoute = 15, "no-route";
    /// The next hop's link address is not known.
    NoNeighbour = 16, "no-neighbour";
    /// It leaves by an interface that has no fast path, or whose fast path is off.
    OtherWay = 17, "other-way";
    /// What answers it would not leave by the interface that it came in by.
    ReversePath = 18, "reverse-path";
    /// The first of its way, and one in a while: the stack sees that there is traffic, and asks for the neighbour.
    Refresh = 19, "refresh";
}

/// How many there are.
pub const FATES: usize = Fate::ALL.len();

const _: () = {
    let mut i = 0;
    while i < FATES {
        assert!(Fate::ALL[i] as usize == i);
        i += 1;
    }
};

/// Whether a packet that passes for this reason may leave past the stack, where it is a packet at all.
#[inline(always)]
pub const fn may_leave(reason: Reason) -> bool {
    match reason {
        Reason::Internal
        | Reason::Resolver
        | Reason::Prefix
        | Reason::Learned
        | Reason::Established
        | Reason::GroupOff
        | Reason::NoRule
        | Reason::WrongPort
        | Reason::WrongProtocol
        | Reason::Expired
        | Reason::NeverResolved
        | Reason::NameNotAllowed
        | Reason::NoGroup
        | Reason::Denied
        | Reason::ResolverNotTrusted
        | Reason::EncryptedDns => true,
        Reason::LinkControl
        | Reason::LinkScope
        | Reason::Gateway
        | Reason::Related
        | Reason::Fragment
        | Reason::FragmentUnknown
        | Reason::Malformed
        | Reason::EtherType
        | Reason::EmbeddedAddress
        | Reason::NoPolicy
        | Reason::SourceRoute
        | Reason::FragmentOverlap
        | Reason::Redirect
        | Reason::DnsNameRefused => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fates_come_back_by_their_numbers() {
        for fate in Fate::ALL {
            assert_eq!(Fate::from_number(*fate as u32), *fate);
        }
        assert_eq!(Fate::from_number(FATES as u32), Fate::NoRoute);
    }

    #[test]
    fn what_was_not_parsed_does_not_leave() {
        for reason in [
            Reason::LinkControl,
            Reason::Malformed,
            Reason::EtherType,
            Reason::EmbeddedAddress,
            Reason::SourceRoute,
            Reason::NoPolicy,
        ] {
            assert!(!may_leave(reason), "{}", reason.name());
        }
    }
}
