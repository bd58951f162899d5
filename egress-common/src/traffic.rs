//! Allowed packets by destination.
//!
//! Each CPU counts the destinations it met lately in plain places, of which a destination has a [few](place). What another destination takes the place of goes into a hash map first. Both hold
//! all that the CPU counted for a destination, so of the two the larger one is true, whenever they are read.

use core::ptr;

use crate::{
    flow::Addr,
    limits,
    spread::{spread, wide},
    verdict::Counter,
};

/// What allowed packets are counted by, besides the whole set.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficKey {
    /// Where they go.
    pub dst: Addr,
    /// Why they may, and whose they are.
    pub cause: Cause,
}

const _: () = assert!(size_of::<TrafficKey>() == 24);

/// What allows packets, and the group that sends them, in one word: from its low bits on the endpoint set or rule
/// (16 bits), the place of the group's counters (16), and the pattern that taught the address (32).
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(u64);

impl Cause {
    /// Of these ids, and the place of the group's counters; pattern 0 is none, as where a prefix allows them.
    #[inline(always)]
    pub const fn new(set: u16, group: u8, pattern: u32) -> Self {
        Self(set as u64 | (group as u64) << 16 | (pattern as u64) << 32)
    }

    /// From its word.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// Its word.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        self.0
    }

    /// Id of the endpoint set or rule that allows them.
    pub const fn set(self) -> u16 {
        self.0 as u16
    }

    /// Place of the group's counters.
    pub const fn group(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// Id of the pattern that taught the address.
    pub const fn pattern(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// Places of one element of the map; an element is as large as one of a CPU's own may be.
pub const CHUNK: usize = 512;
/// Elements of the map.
pub const CHUNKS: usize = limits::RECENT_TRAFFIC as usize / CHUNK;

/// Places that lie together.
pub type Chunk = [Recent; CHUNK];

const _: () = assert!(limits::RECENT_TRAFFIC.is_power_of_two() && CHUNK.is_power_of_two());
const _: () = assert!(size_of::<Chunk>() <= 32 << 10);

/// Places that a destination may be in; the one that came last is in the first.
pub const WAYS: usize = 2;

/// Places of a destination among those of a CPU: the chunk, and the first of [`WAYS`] in it.
#[inline(always)]
pub fn place(dst: &Addr, cause: Cause) -> (u32, u32) {
    const BITS: u32 = limits::RECENT_TRAFFIC.ilog2();

    let [first, second] = wide(dst);
    let place = spread([first ^ cause.0, second], BITS) & !(WAYS as u32 - 1);
    (place / CHUNK as u32, place % CHUNK as u32)
}

/// A destination that a CPU counts in its own place.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Recent {
    /// How often the place was given to another destination; written last.
    begun: u64,
    /// What is counted.
    pub key: TrafficKey,
    /// What the CPU has counted of it; no packet where the place was never used.
    pub counter: Counter,
    /// As `begun`, and written first: user space, which reads from the first word to the last, sees them differ
    /// if the place was given away meanwhile.
    ended: u64,
}

const _: () = assert!(size_of::<Recent>() == 56);

impl Default for Recent {
    /// A place that was never used.
    fn default() -> Self {
        Self {
            begun: 0,
            key: TrafficKey {
                dst: Addr::v4([0; 4]),
                cause: Cause(0),
            },
            counter: Counter::default(),
            ended: 0,
        }
    }
}

impl Recent {
    /// Whether it counts this destination.
    #[inline(always)]
    pub fn counts(&self, dst: &Addr, cause: Cause) -> bool {
        self.key.cause == cause && self.key.dst == *dst
    }

    /// What is counted, if it was read as a whole.
    pub fn counted(&self) -> Option<(TrafficKey, Counter)> {
        let is_whole = self.begun == self.ended && self.counter.packets > 0;
        is_whole.then_some((self.key, self.counter))
    }

    /// Gives the place to another destination, of which the CPU has counted so much.
    ///
    /// # Safety
    /// `place` is valid for writes, and nothing else writes there.
    #[inline(always)]
    pub unsafe fn give(place: *mut Self, key: TrafficKey, counter: Counter) {
        // SAFETY: as the caller promises. Volatile writes stay in their order.
        unsafe {
            let times = ptr::read_volatile(&raw const (*place).begun).wrapping_add(1);
            ptr::write_volatile(&raw mut (*place).ended, times);
            ptr::write_volatile(&raw mut (*place).key, key);
            ptr::write_volatile(&raw mut (*place).counter, counter);
            ptr::write_volatile(&raw mut (*place).begun, times);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Counter = Counter {
        packets: 1,
        bytes: 60,
    };

    const fn key(host: u8) -> TrafficKey {
        TrafficKey {
            dst: Addr::v4([203, 0, 113, host]),
            cause: Cause::new(1, 1, 0),
        }
    }

    #[test]
    fn a_place_says_what_was_counted_last() {
        let mut place = Recent::default();
        assert_eq!(place.counted(), None);
        for host in [7, 8] {
            // SAFETY: a place of this test.
            unsafe { Recent::give(&mut place, key(host), ONE) };
            assert_eq!(place.counted(), Some((key(host), ONE)));
        }
    }

    #[test]
    fn what_changes_while_it_is_read_says_nothing() {
        let changing = Recent {
            ended: 1,
            counter: ONE,
            ..Recent::default()
        };
        assert_eq!(changing.counted(), None);
    }

    #[test]
    fn neighbours_do_not_crowd() {
        let place = |host| place(&key(host).dst, key(host).cause);
        let mut places: Vec<_> = (0..=255).map(place).collect();
        assert!(places.iter().all(|(chunk, _)| *chunk < CHUNKS as u32));
        places.sort_unstable();
        places.dedup();
        assert!(places.len() > 230, "{} places", places.len());
    }

    #[test]
    fn a_cause_is_told_as_it_was_made() {
        let cause = Cause::new(0xfffe, 64, 0xffff_fffe);
        assert_eq!(Cause::from_word(cause.to_word()), cause);
        assert_eq!(
            (cause.set(), cause.group(), cause.pattern()),
            (0xfffe, 64, 0xffff_fffe)
        );
    }
}
