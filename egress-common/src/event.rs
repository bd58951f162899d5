//! Events: what became of single packets that are not allowed, on their way to `egress-ctl watch`.
//!
//! In: a flow and its verdict, in the kernel. Out: records of a ring buffer, limited for each client and
//! reason, and counted where they are not made.

use crate::{
    bucket::Rate,
    flow::{Addr, Flow},
};

/// One packet that was not allowed, fixed when it was judged.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in ns of the boot-time clock (`CLOCK_BOOTTIME`).
    pub at_ns: u64,
    /// Number of the generation that judged it; 0 where none was in force.
    pub generation: u64,
    /// Who sent it; zeros where the packet could not be parsed.
    pub src: Addr,
    /// Where to; zeros where the packet could not be parsed.
    pub dst: Addr,
    /// Index of the interface that it came in by.
    pub interface: u32,
    /// Bytes of the frame.
    pub frame_len: u32,
    /// Events of this client and reason that were not reported since the last one that was.
    pub suppressed: u32,
    /// Source port, as in a [`Flow`].
    pub src_port: u16,
    /// Destination port, as in a [`Flow`].
    pub dst_port: u16,
    /// VLAN of the outer tag; 0 where there is none.
    pub vlan: u16,
    /// Id of the endpoint set or rule that decided, as of a [`Verdict`](crate::verdict::Verdict).
    pub set: u16,
    /// MAC address that it came from.
    pub mac: [u8; 6],
    /// IP protocol number.
    pub proto: u8,
    /// Number of the [`Action`](crate::verdict::Action).
    pub action: u8,
    /// Number of the [`Reason`](crate::verdict::Reason).
    pub reason: u8,
    /// The client's group, as of a [`Verdict`](crate::verdict::Verdict).
    pub group: u8,
    /// Bits of [`mod@flag`].
    pub flags: u8,
    /// Zero.
    pub pad: u8,
}

const _: () = assert!(size_of::<Event>() == 80 && align_of::<Event>() == 8);

/// What else is known of a packet.
pub mod flag {
    /// A fragment other than the first.
    pub const LATER_FRAGMENT: u8 = 1;
    /// The first segment of a TCP connection.
    pub const OPENS: u8 = 2;
}

impl Event {
    /// Takes over what a flow says.
    #[inline(always)]
    pub const fn take_flow(&mut self, flow: &Flow) {
        self.src = flow.src;
        self.dst = flow.dst;
        self.interface = flow.interface;
        self.src_port = flow.src_port;
        self.dst_port = flow.dst_port;
        self.vlan = flow.vlan;
        self.mac = flow.mac;
        self.proto = flow.proto;
        self.flags =
            (flow.later_fragment as u8) * flag::LATER_FRAGMENT + (flow.opens as u8) * flag::OPENS;
    }

    /// Takes over that there is no flow; interface and MAC address stay.
    #[inline(always)]
    pub const fn take_nothing(&mut self) {
        let nobody = Addr::v6([[0; 4]; 4]);
        self.src = nobody;
        self.dst = nobody;
        self.src_port = 0;
        self.dst_port = 0;
        self.vlan = 0;
        self.proto = 0;
        self.flags = 0;
    }

    /// Whose limit it counts for.
    #[inline(always)]
    pub const fn limit_key(&self) -> LimitKey {
        let [a, b, c, d] = self.src.words();
        let client = if a | b | c | d == 0 {
            let [m0, m1, m2, m3, m4, m5] = self.mac;
            Addr::v6([[0; 4], [0; 4], [0, 0, m0, m1], [m2, m3, m4, m5]])
        } else {
            self.src
        };
        LimitKey {
            client,
            interface: self.interface,
            reason: self.reason as u32,
        }
    }

    /// The record that is in these bytes, which need not be aligned; none where their number differs.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != size_of::<Self>() {
            return None;
        }
        // SAFETY: as many bytes as the record has, which is integers only; any bytes are one.
        Some(unsafe { core::ptr::read_unaligned(bytes.as_ptr().cast()) })
    }
}

/// Whose events are limited together. Packets that could not be parsed have no address, so that their MAC
/// address tells who sent them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitKey {
    /// Who sent it.
    pub client: Addr,
    /// Interface that it came in by.
    pub interface: u32,
    /// Number of the reason.
    pub reason: u32,
}

const _: () = assert!(size_of::<LimitKey>() == 24);

/// Of one client for one reason: 10 at once, 5 a second.
pub const CLIENT_RATE: Rate = Rate {
    every_ms: 200,
    burst: 10,
};
/// Of one CPU, whoever sends: a flood from invented addresses is no reason to make an event of each.
pub const CPU_RATE: Rate = Rate {
    every_ms: 1,
    burst: 1000,
};

/// State of the limit of one client and reason.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limit {
    /// As [`Rate::take`] has it.
    pub due_ms: u64,
    /// Events that were not reported since the last one that was.
    pub suppressed: u64,
}

const _: () = assert!(size_of::<Limit>() == 16);

/// Who reads events: none are made where nobody does.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watcher {
    /// Until when in boot-time ms, unless it says so again; 0 where nobody reads.
    pub until_ms: u64,
    /// Its process id.
    pub pid: u64,
}

const _: () = assert!(size_of::<Watcher>() == 16);

/// What became of an event.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is in the ring buffer.
    Reported = 0,
    /// There were too many of its client and reason, or at all.
    Suppressed = 1,
    /// The ring buffer was full.
    Lost = 2,
}

impl Fate {
    /// All fates, in the order of their numbers.
    pub const ALL: &[Self] = &[Self::Reported, Self::Suppressed, Self::Lost];

    /// The name in commands' output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::Suppressed => "suppressed",
            Self::Lost => "lost",
        }
    }
}

/// How many fates there are.
pub const FATES: usize = Fate::ALL.len();

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `times` (in ms) a rate lets through.
    fn taken(rate: Rate, times: impl IntoIterator<Item = u64>) -> usize {
        let mut due = 0;
        let take = |now: &u64| match rate.take(due, *now) {
            Some(next) => {
                due = next;
                true
            }
            None => false,
        };
        times.into_iter().filter(take).count()
    }

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let at_once = |count| std::iter::repeat_n(1_000_000, count);
        assert_eq!(taken(CLIENT_RATE, at_once(1)), 1);
        assert_eq!(taken(CLIENT_RATE, at_once(10)), 10);
        assert_eq!(taken(CLIENT_RATE, at_once(1000)), 10);
        let a_flood_of_ten_seconds = (0..10_000).map(|ms| 1_000_000 + ms);
        let taken_of_flood = taken(CLIENT_RATE, a_flood_of_ten_seconds);
        assert!((59..=60).contains(&taken_of_flood), "{taken_of_flood}");
        let slow = (0..100).map(|i| 1_000_000 + 200 * i);
        assert_eq!(
            taken(CLIENT_RATE, slow),
            100,
            "the rate itself is never limited"
        );
    }

    #[test]
    fn a_silence_gives_back_no_more_than_a_burst() {
        let burst = |from| std::iter::repeat_n(from, 50);
        let two = burst(1_000_000).chain(burst(9_000_000));
        assert_eq!(taken(CLIENT_RATE, two), 20);
    }
}
