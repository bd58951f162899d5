//! Destinations that clients tried and no answer allows at that time.
//!
//! In: flows that were denied because nobody looked their destination up, or because the answer has expired.
//! Out: entries of a map, which counts each try. No verdict depends on them.

use crate::{
    flow::{Addr, ECHO_V4, ECHO_V6, Flow, proto},
    learned::{Slot, Slots},
    limits::TEACHERS,
    verdict::Reason,
};

/// Who tried what.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MissedKey {
    /// Who.
    pub client: Addr,
    /// Where to.
    pub dst: Addr,
    /// Destination port, as in a [`Flow`].
    pub port: u16,
    /// IP protocol number.
    pub proto: u8,
    /// Zero.
    pub pad: u8,
}

const _: () = assert!(size_of::<MissedKey>() == 36);

/// How often, when, and why it was denied.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Tries.
    pub count: u64,
    /// The first one, in ms of the boot-time clock.
    pub first_ms: u64,
    /// The last one.
    pub last_ms: u64,
    /// The longest time between the end of the answer that gave the address and a try, in ms; 0 where no
    /// answer gave it.
    pub overrun_ms: u64,
    /// Number of the [`Reason`] of the last one.
    pub reason: u32,
    /// Zero.
    pub pad: u32,
}

const _: () = assert!(size_of::<Missed>() == 40);

impl MissedKey {
    /// Of a packet that was denied for this reason; nothing where it is no try of an unknown destination.
    #[inline(always)]
    pub const fn of(flow: &Flow, reason: Reason) -> Option<Self> {
        if !matches!(reason, Reason::NeverResolved | Reason::Expired) || !begins(flow) {
            return None;
        }
        Some(Self {
            client: flow.src,
            dst: flow.dst,
            port: flow.dst_port,
            proto: flow.proto,
            pad: 0,
        })
    }
}

/// Whether a packet may begin something: the first segment of a TCP connection, a ping, and any packet of a
/// protocol without connections.
#[inline(always)]
const fn begins(flow: &Flow) -> bool {
    match flow.proto {
        proto::TCP => flow.opens,
        proto::ICMP => flow.dst_port == ECHO_V4,
        proto::ICMPV6 => flow.dst_port == ECHO_V6,
        _ => true,
    }
}

impl Missed {
    /// The first try.
    #[inline(always)]
    pub const fn first(reason: Reason, overrun_ms: u64, now_ms: u64) -> Self {
        Self {
            count: 1,
            first_ms: now_ms,
            last_ms: now_ms,
            overrun_ms,
            reason: reason as u32,
            pad: 0,
        }
    }
}

/// How long ago the last teaching of an address ended, in ms; 0 where none has.
#[inline(always)]
pub fn overrun_ms<S: Slots + ?Sized>(slots: &S, now_ms: u64) -> u64 {
    let mut ended_ms = 0;
    for i in 0..TEACHERS {
        if let Some(slot) = Slot::from_word(slots.load(i))
            && !slot.is_valid(now_ms)
            && slot.expires_ms > ended_ms
        {
            ended_ms = slot.expires_ms;
        }
    }
    match ended_ms {
        0 => 0,
        ended_ms => now_ms - ended_ms,
    }
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use super::*;
    use crate::learned::Learned;

    fn flow(proto: u8, dst_port: u16, opens: bool) -> Flow {
        let addr = |text: &str| text.parse::<IpAddr>().unwrap().into();
        Flow {
            proto,
            dst_port,
            opens,
            ..Flow::between(addr("10.0.0.1"), addr("203.0.113.9"))
        }
    }

    #[test]
    fn tries_are_what_begins_and_was_denied_for_want_of_an_answer() {
        let (never, expired) = (Reason::NeverResolved, Reason::Expired);
        let table = [
            ("a first segment", flow(proto::TCP, 443, true), never, true),
            ("a later one", flow(proto::TCP, 443, false), never, false),
            ("a datagram", flow(proto::UDP, 443, false), expired, true),
            ("a ping", flow(proto::ICMP, ECHO_V4, false), never, true),
            (
                "unreachable",
                flow(proto::ICMP, 3 << 8, false),
                never,
                false,
            ),
            ("a ping", flow(proto::ICMPV6, ECHO_V6, false), expired, true),
            ("a tunnel", flow(proto::ESP, 0, false), never, true),
            (
                "a port",
                flow(proto::TCP, 1, true),
                Reason::WrongPort,
                false,
            ),
            ("passes", flow(proto::TCP, 1, true), Reason::Learned, false),
        ];
        for (what, flow, reason, is_try) in table {
            let key = MissedKey::of(&flow, reason);
            assert_eq!(key.is_some(), is_try, "{what}, {}", reason.name());
            if let Some(key) = key {
                assert_eq!((key.client, key.dst), (flow.src, flow.dst), "{what}");
                assert_eq!((key.port, key.proto), (flow.dst_port, flow.proto));
            }
        }
    }

    #[test]
    fn an_overrun_begins_where_the_last_teaching_ended() {
        let learned = |expiries: &[u64]| {
            let mut learned = Learned::EMPTY;
            for (word, expires_ms) in learned.slots.iter_mut().zip(expiries) {
                let slot = Slot {
                    pattern: 7,
                    expires_ms: *expires_ms,
                };
                *word = slot.to_word();
            }
            learned
        };
        let table: [(&[u64], u64); 4] = [
            (&[], 0),
            (&[400], 600),
            (&[400, 900], 100),
            (&[5000, 700], 300),
        ];
        for (expiries, overrun) in table {
            assert_eq!(
                overrun_ms(&learned(expiries), 1000),
                overrun,
                "{expiries:?}"
            );
        }
    }
}
