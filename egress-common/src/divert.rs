//! DNS over TCP through this machine: what tells the kernel's routes which packets are to come here.
//!
//! The program at LAN ingress gives the first packet of a connection to a listener, and marks every packet of
//! a connection that the listener has. A policy rule looks marked packets up in a table that delivers
//! everything here, whatever its destination.

use crate::flow::Addr;

/// Mark of packets that are delivered here; nothing else on the gateway may use it.
pub const MARK: u32 = 0xe6e5_0035;
/// Mark of what the proxy sends to clients, so that it is not learned from once more. No rule is made for it.
pub const RELAYED: u32 = 0xe6e5_0036;
/// Number of the routing table that marked packets are looked up in.
pub const TABLE: u32 = 0xe6e5;
/// Place of the rule among the gateway's policy rules: behind the one of local addresses, before most others.
pub const PRIORITY: u32 = 53;

/// A client and the resolver that it asks over TCP.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair {
    /// Who asks.
    pub client: Addr,
    /// Who is asked.
    pub resolver: Addr,
}

const _: () = assert!(size_of::<Pair>() == 32);

/// A listener that was given a connection has it after so long, or something on this machine keeps it away.
pub const PATIENCE_MS: u64 = 900;
/// How long connections of such a pair go to the resolver before one is given to the listener again.
const DIRECT_MS: u64 = 600_000;

/// What becomes of a connection whose pair was given another one at `given_ms` that the listener never had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is given too.
    Given,
    /// It is given, and the time counts from now.
    GivenAnew,
    /// It goes to the resolver.
    Direct,
}

impl Turn {
    /// At `now_ms` of the same clock; nothing was given before where there is no time.
    #[inline(always)]
    pub const fn of(given_ms: Option<u64>, now_ms: u64) -> Self {
        let Some(given_ms) = given_ms else {
            return Self::GivenAnew;
        };
        let age_ms = now_ms.saturating_sub(given_ms);
        if age_ms <= PATIENCE_MS {
            Self::Given
        } else if age_ms <= DIRECT_MS {
            Self::Direct
        } else {
            Self::GivenAnew
        }
    }
}

/// Listeners, one a family.
pub const LISTENERS: usize = 2;

/// Which listener takes connections of a family.
#[inline(always)]
pub const fn listener(is_v4: bool) -> u32 {
    !is_v4 as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_listener_does_not_get_goes_to_the_resolver() {
        let table = [
            (None, 5_000, Turn::GivenAnew),
            (Some(5_000), 5_000, Turn::Given),
            (Some(5_000), 4_999, Turn::Given),
            (Some(5_000), 5_900, Turn::Given),
            (Some(5_000), 5_901, Turn::Direct),
            (Some(5_000), 605_000, Turn::Direct),
            (Some(5_000), 605_001, Turn::GivenAnew),
        ];
        for (given, now, expected) in table {
            assert_eq!(Turn::of(given, now), expected, "{given:?} {now}");
        }
    }

    #[test]
    fn each_family_has_its_listener() {
        assert_eq!([listener(true), listener(false)], [0, 1]);
    }
}
