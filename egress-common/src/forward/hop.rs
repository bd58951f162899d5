//! Ways through this machine, and the next hops that they lead to, as the kernel program remembers them.

use crate::flow::Addr;

/// What the kernel's table of routes is asked with: source, destination, interface that it comes in by, and class
/// of service (of IPv6 the flow label as well, by which the kernel chooses among next hops). In words, so that
/// the kernel program compares it in five steps.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route([u64; 5]);

const _: () = assert!(size_of::<Route>() == 40);

/// Two words of an address as one.
#[inline(always)]
const fn double(first: u32, second: u32) -> u64 {
    first as u64 | (second as u64) << 32
}

/// And back.
#[inline(always)]
const fn words([first, second]: [u64; 2]) -> [u32; 4] {
    [
        first as u32,
        (first >> 32) as u32,
        second as u32,
        (second >> 32) as u32,
    ]
}

impl Route {
    /// Of these parts; the class as the kernel has it, in network byte order where it is a word.
    #[inline(always)]
    pub const fn new(src: Addr, dst: Addr, interface: u32, class: u32) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (src.words(), dst.words());
        Self([
            double(a, b),
            double(c, d),
            double(e, f),
            double(g, h),
            double(interface, class),
        ])
    }

    /// The source's words, in network byte order.
    #[inline(always)]
    pub const fn src(&self) -> [u32; 4] {
        words([self.0[0], self.0[1]])
    }

    /// The destination's.
    #[inline(always)]
    pub const fn dst(&self) -> [u32; 4] {
        words([self.0[2], self.0[3]])
    }

    /// Index of the interface that it comes in by.
    #[inline(always)]
    pub const fn interface(&self) -> u32 {
        self.0[4] as u32
    }

    /// Class of service.
    #[inline(always)]
    pub const fn class(&self) -> u32 {
        (self.0[4] >> 32) as u32
    }

    /// Whether both are the same.
    #[inline(always)]
    pub const fn is(&self, other: &Self) -> bool {
        let ([a, b, c, d, e], [f, g, h, i, j]) = (self.0, other.0);
        (a ^ f) | (b ^ g) | (c ^ h) | (d ^ i) | (e ^ j) == 0
    }

    /// The first of the [`WAYS`] places that it may be remembered at.
    #[inline(always)]
    pub const fn place(&self) -> u32 {
        // Odd numbers without a pattern: the upper bits of the sum depend on every bit of the words.
        let sum = self.0[0]
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.0[1].wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
            .wrapping_add(self.0[2].wrapping_mul(0x1656_67b1_9e37_79f9))
            .wrapping_add(self.0[3].wrapping_mul(0x27d4_eb2f_1656_67c5))
            .wrapping_add(self.0[4].wrapping_mul(0x8577_1735_d3a2_646d));
        (sum >> (u64::BITS - PLACES.ilog2())) as u32 & !(WAYS - 1)
    }
}

/// Next hops that a CPU remembers; a power of two.
pub const PLACES: u32 = 4096;
/// Places that a route may be remembered at.
pub const WAYS: u32 = 2;

/// How long what was looked up counts, in ticks of the kernel's clock (a quarter of a second to two and a half): then
/// a packet goes up the stack, which sees that its neighbour is in use and asks whether it is still there.
pub const TICKS: u32 = 256;

/// What is remembered of a route. A place that nothing was written to counts for nothing, since its time is over.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The route.
    pub route: Route,
    /// The word that counted when it was looked up.
    pub epoch: u32,
    /// When a packet of this place last went up the stack, in ticks.
    pub since: u32,
    /// Index of the interface that it leaves by; 0 where it goes up the stack.
    pub to: u32,
    /// Number of the [`Fate`](super::Fate) where it goes up the stack, else the longest packet.
    pub detail: u32,
    /// Link address of the interface that it comes in by.
    pub own: [u8; 6],
    /// Link address of the interface that it leaves by.
    pub from_mac: [u8; 6],
    /// Link address of its next hop.
    pub to_mac: [u8; 6],
    /// Zero.
    pub pad: [u8; 6],
}

const _: () = assert!(size_of::<Hop>() == 80);

impl Hop {
    /// Whether this is what is known of a route under a word of now.
    #[inline(always)]
    pub const fn knows(&self, route: &Route, epoch: u32) -> bool {
        self.epoch == epoch && self.route.is(route)
    }

    /// Whether the stack is to see a packet of this place again.
    #[inline(always)]
    pub const fn is_due(&self, now: u32) -> bool {
        now.wrapping_sub(self.since) >= TICKS
    }
}

/// An interface that packets come in by, and one that they leave by.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey {
    /// Index of the one.
    pub from: u32,
    /// Index of the other.
    pub to: u32,
}

const _: () = assert!(size_of::<PairKey>() == 8);

/// What holds between them.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Until when this counts, in boot-time ms: user space says so again and again, for as long as it looks.
    pub until_ms: u64,
    /// Bits of [`family`].
    pub families: u32,
    /// Longest packet that leaves.
    pub mtu: u32,
    /// Link address of the interface that packets come in by.
    pub own: [u8; 6],
    /// Zero.
    pub pad: [u8; 2],
}

const _: () = assert!(size_of::<Pair>() == 24);

/// Families of addresses.
pub mod family {
    /// IPv4.
    pub const V4: u32 = 1;
    /// IPv6.
    pub const V6: u32 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn v4(number: u32) -> Addr {
        Addr::v4(number.to_be_bytes())
    }

    #[test]
    fn a_thousand_routes_of_one_client_find_room() {
        for first in [0x1400_0000, 0xc633_6400, 0x0808_0000] {
            let mut places: BTreeMap<u32, u32> = BTreeMap::new();
            for i in 0..1024 {
                let route = Route::new(v4(0x0a14_0002), v4(first + i), 3, 0);
                assert!(route.place() < PLACES - 1 && route.place().is_multiple_of(WAYS));
                *places.entry(route.place()).or_default() += 1;
            }
            let beyond: u32 = places.values().map(|n| n.saturating_sub(WAYS)).sum();
            assert!(beyond < 100, "{beyond} of 1024 at {first:#x}");
        }
    }

    proptest! {
        #[test]
        fn parts_come_back(src: [u8; 16], dst: [u8; 16], interface: u32, class: u32) {
            let addr = |bytes: [u8; 16]| Addr::from(std::net::IpAddr::from(bytes));
            let (src, dst) = (addr(src), addr(dst));
            let route = Route::new(src, dst, interface, class);
            prop_assert_eq!(route.src(), src.words());
            prop_assert_eq!(route.dst(), dst.words());
            prop_assert_eq!((route.interface(), route.class()), (interface, class));
        }

        #[test]
        fn routes_are_the_same_if_every_part_is(a: [u8; 4], b: [u8; 4], x: u32, y: u32, which in 0..5_usize) {
            let one = Route::new(Addr::v4(a), Addr::v4(b), x, y);
            prop_assert!(one.is(&one));
            let mut other = one;
            other.0[which] ^= 1 << (x % 64);
            prop_assert!(!one.is(&other));
        }
    }

    #[test]
    fn an_empty_place_is_due_and_time_may_run_over() {
        let route = Route::new(v4(1), v4(2), 3, 4);
        let hop = |since| Hop {
            route,
            epoch: 7,
            since,
            to: 0,
            detail: 0,
            own: [0; 6],
            from_mac: [0; 6],
            to_mac: [0; 6],
            pad: [0; 6],
        };
        assert!(hop(0).knows(&route, 7) && !hop(0).knows(&route, 8));
        for (since, now, is_due) in [
            (0, 4_294_892_296, true),
            (1000, 1000, false),
            (1000, 1255, false),
            (1000, 1256, true),
            (u32::MAX - 9, 10, false),
            (u32::MAX - 9, 300, true),
        ] {
            assert_eq!(hop(since).is_due(now), is_due, "{since} {now}");
        }
    }
}
