//! Verdicts that a CPU gave lately, by what they depend on.
//!
//! A prefix allows the packets of a client to a port for as long as its generation is in force, whatever connection
//! they belong to. A connection that an answer admitted is looked at again after a [moment](MOMENT_TICKS), when it
//! is also noted that it is alive; its first packet always is judged. So a CPU keeps such verdicts in plain places,
//! each in one line of its cache, and the next packet has its verdict without a look at any table. What is kept
//! carries the stamp of the generation, which user space renews with whatever it takes back.

use crate::{
    flow::{Addr, Flow},
    limits,
    spread::{spread, wide},
    verdict::{Reason, Verdict},
};

/// A verdict, and the packets that it holds for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cached {
    src: Addr,
    dst: Addr,
    service: u64,
    machine: u64,
    stamp: u32,
    verdict: u32,
    /// Source port and pattern of a connection that an answer admitted; 0 for all connections that a prefix allows.
    connection: u32,
    /// Until when that connection is not looked at, in ticks of the kernel's clock.
    until: u32,
}

const _: () = assert!(size_of::<Cached>() == 64);

/// The stamp that nothing is kept with.
pub const NO_STAMP: u32 = 0;

/// How long a connection is not looked at again, in ticks (jiffies): 0.25 to 2.5 s, by what the kernel was built for.
pub const MOMENT_TICKS: u32 = 250;

const _: () = assert!(limits::PATTERNS <= 1 << 16);

/// Places of one element of the map; an element is as large as one of a CPU's own may be.
pub const CHUNK: usize = 256;
/// Elements of the map.
pub const CHUNKS: usize = limits::CACHED as usize / CHUNK;

/// Places that lie together.
pub type Chunk = [Cached; CHUNK];

const _: () = assert!(limits::CACHED.is_power_of_two() && CHUNK.is_power_of_two());

impl Cached {
    /// A verdict on a flow under a stamp, at this tick; `pattern` admits its connection, or is 0.
    #[inline(always)]
    pub fn new(flow: &Flow, stamp: u32, verdict: u32, pattern: u32, tick: u32) -> Self {
        let connection = match pattern {
            0 => 0,
            pattern => pattern << 16 | u32::from(flow.src_port),
        };
        Self {
            src: flow.src,
            dst: flow.dst,
            service: service(flow),
            machine: machine(flow),
            stamp,
            verdict,
            connection,
            until: tick.wrapping_add(MOMENT_TICKS),
        }
    }

    /// Whether it is the verdict on a flow, under the same stamp.
    #[inline(always)]
    pub fn holds(&self, flow: &Flow, stamp: u32, tick: impl FnOnce() -> u32) -> bool {
        let is_it = self.stamp == stamp && self.is_of(flow);
        is_it && (self.connection == 0 || self.goes_on(flow, tick))
    }

    /// Whether it is, or was, the verdict on such a flow.
    #[inline(always)]
    pub fn is_of(&self, flow: &Flow) -> bool {
        self.service == service(flow)
            && self.dst == flow.dst
            && self.src == flow.src
            && self.machine == machine(flow)
    }

    /// Whether it is the verdict on this very connection, which need not be looked at yet.
    #[inline(always)]
    fn goes_on(&self, flow: &Flow, tick: impl FnOnce() -> u32) -> bool {
        let left = self.until.wrapping_sub(tick());
        !flow.opens
            && self.connection as u16 == flow.src_port
            && left.wrapping_sub(1) < MOMENT_TICKS
    }

    /// The code of the verdict.
    #[inline(always)]
    pub const fn verdict(&self) -> u32 {
        self.verdict
    }

    /// Id of the pattern that admitted the connection; 0 where a prefix allows it.
    #[inline(always)]
    pub const fn pattern(&self) -> u32 {
        self.connection >> 16
    }
}

/// What is known of a flow before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recalled {
    /// The verdict.
    Known(Verdict),
    /// Nothing; a verdict may be kept under this stamp.
    Unknown(u32),
}

impl Recalled {
    const KNOWN: u64 = 1 << 63;

    /// In one word, as a global function returns it.
    #[inline(always)]
    pub fn to_word(self) -> u64 {
        match self {
            Self::Known(verdict) => Self::KNOWN | u64::from(verdict.to_code()),
            Self::Unknown(stamp) => u64::from(stamp),
        }
    }

    /// From that word.
    #[inline(always)]
    pub fn from_word(word: u64) -> Self {
        if word & Self::KNOWN == 0 {
            return Self::Unknown(word as u32);
        }
        Self::Known(Verdict::from_code(word as u32))
    }
}

/// Whether a verdict depends on nothing but what is compared, while the stamp holds, or is one on a connection that was
/// just admitted. Where names are denied, an answer may deny at any time what was allowed.
#[inline(always)]
pub fn may_be_kept(verdict: Verdict, denies_names: bool) -> bool {
    (matches!(verdict.reason, Reason::Prefix) || verdict.admits != 0) && !denies_names
}

/// Places that a flow's verdict may be in; the one that was kept last is in the first.
pub const WAYS: usize = 2;

/// Places of a flow's verdict among those of a CPU: the chunk, and the first of [`WAYS`] in it.
#[inline(always)]
pub fn place(flow: &Flow) -> (u32, u32) {
    const BITS: u32 = limits::CACHED.ilog2();

    let [first, second] = wide(&flow.dst);
    let [own_first, own_second] = wide(&flow.src);
    let src = own_first ^ own_second;
    let place = spread([first ^ service(flow), second, src], BITS) & !(WAYS as u32 - 1);
    (place / CHUNK as u32, place % CHUNK as u32)
}

/// Port, protocol, and the interface that it came in by.
#[inline(always)]
fn service(flow: &Flow) -> u64 {
    u64::from(flow.dst_port)
        | u64::from(flow.proto) << 16
        | u64::from(flow.later_fragment) << 24
        | u64::from(flow.interface) << 32
}

/// The machine, and its VLAN.
#[inline(always)]
fn machine(flow: &Flow) -> u64 {
    let [a, b, c, d, e, f] = flow.mac;
    u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) | u64::from(flow.vlan) << 48
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learned::Slot;

    const STAMP: u32 = 7;
    const PATTERN: u32 = limits::PATTERNS - 1;
    /// Shortly before the clock's last tick.
    const TICK: u32 = u32::MAX - 2;

    fn flow() -> Flow {
        Flow {
            src_port: 50_000,
            dst_port: 443,
            interface: 3,
            mac: [2, 0, 0, 0, 0, 1],
            proto: 6,
            ..Flow::between(Addr::v4([10, 0, 0, 1]), Addr::v4([203, 0, 113, 1]))
        }
    }

    fn allowed() -> Verdict {
        Verdict::by(Reason::Prefix, 9).of_group(2)
    }

    fn kept(pattern: u32) -> Cached {
        Cached::new(&flow(), STAMP, allowed().to_code(), pattern, TICK)
    }

    #[test]
    fn the_verdict_of_a_prefix_holds_for_all_connections_of_a_service() {
        let kept = kept(0);
        let another = Flow {
            src_port: 50_001,
            opens: true,
            ..flow()
        };
        assert_eq!(place(&another), place(&flow()));
        for flow in [flow(), another] {
            assert!(kept.holds(&flow, STAMP, || 0));
        }
        assert_eq!(Verdict::from_code(kept.verdict()), allowed());
        assert_eq!(kept.pattern(), 0);
        assert!(!kept.holds(&flow(), STAMP + 1, || 0));
    }

    #[test]
    fn that_of_an_answer_holds_for_its_connection_and_a_moment() {
        let kept = kept(PATTERN);
        assert_eq!(kept.pattern(), PATTERN);
        let opens = Flow {
            opens: true,
            ..flow()
        };
        let another = Flow {
            src_port: 50_001,
            ..flow()
        };
        let end = TICK.wrapping_add(MOMENT_TICKS);
        let table = [
            (flow(), TICK, true),
            (flow(), end.wrapping_sub(1), true),
            (flow(), end, false),
            (flow(), end.wrapping_add(1 << 31), false),
            (flow(), TICK.wrapping_sub(1), false),
            (opens, TICK, false),
            (another, TICK, false),
        ];
        for (flow, tick, holds) in table {
            assert_eq!(kept.holds(&flow, STAMP, || tick), holds, "{tick} {flow:?}");
        }
    }

    #[test]
    fn whatever_it_depends_on_differs() {
        let other = Addr::v6([[0x20, 1, 0xd, 0xb8], [0; 4], [0; 4], [0, 0, 0, 1]]);
        let table = [
            Flow {
                src: other,
                ..flow()
            },
            Flow {
                dst: other,
                ..flow()
            },
            Flow {
                dst_port: 80,
                ..flow()
            },
            Flow {
                proto: 17,
                ..flow()
            },
            Flow {
                interface: 4,
                ..flow()
            },
            Flow { vlan: 1, ..flow() },
            Flow {
                mac: [2, 0, 0, 0, 0, 2],
                ..flow()
            },
            Flow {
                later_fragment: true,
                ..flow()
            },
        ];
        for flow in table {
            assert!(!kept(0).holds(&flow, STAMP, || TICK), "{flow:?}");
        }
    }

    #[test]
    fn what_is_recalled_survives_a_global_function() {
        for recalled in [Recalled::Known(allowed()), Recalled::Unknown(u32::MAX)] {
            assert_eq!(Recalled::from_word(recalled.to_word()), recalled);
        }
    }

    #[test]
    fn what_admits_no_connection_is_kept_of_prefixes_alone() {
        let admits = Slot {
            pattern: PATTERN,
            expires_ms: 1,
        };
        for reason in Reason::ALL {
            let verdict = Verdict::by(*reason, 1);
            assert_eq!(may_be_kept(verdict, false), *reason == Reason::Prefix);
            let verdict = Verdict {
                admits: admits.to_word(),
                ..verdict
            };
            assert!(may_be_kept(verdict, false));
            assert!(!may_be_kept(verdict, true));
        }
    }

    #[test]
    fn places_lie_in_the_map() {
        for host in 0..=255 {
            let dst = Addr::v4([203, 0, 113, host]);
            let (chunk, place) = place(&Flow { dst, ..flow() });
            assert!(chunk < CHUNKS as u32 && place as usize + WAYS <= CHUNK);
        }
    }
}
