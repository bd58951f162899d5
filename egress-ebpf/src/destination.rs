//! What covers a destination, by the table that a generation has.

use core::ptr;

use egress_common::{
    flat::{self, PAGE_ENTRIES, PAGE_WORDS, Page, Pages, Words},
    flow::Addr,
    limits,
    rule::{Destination, PrefixKey, feature},
};

use crate::{
    maps::{DESTINATIONS, FLAT},
    tables::{Generation, number},
};

impl Generation {
    /// What covers an address. This costs a call, but few instructions: for all but the packets that are judged.
    #[inline(always)]
    pub fn covers(self, addr: &Addr) -> Destination {
        let [first, second] = addr.halves();
        Destination::from_value(destination_value(first, second, self.half()))
    }

    /// The same, in place for IPv4 in a flat table.
    #[inline(always)]
    pub fn covering(self, addr: &Addr) -> Destination {
        if self.has(feature::FLAT)
            && let Some(v4) = addr.v4_bits()
        {
            return flat::find_v4(&self, v4);
        }
        self.covers(&addr.whole())
    }
}

/// What covers an address, as a global function: verified once, however many ask.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn destination_value(first: u64, second: u64, half: u32) -> u64 {
    let generation = Generation::of_half(half);
    if generation.has(feature::FLAT) {
        let addr = Addr::from_halves([first, second]);
        return flat::find(&generation, &addr.whole()).to_value();
    }
    destination_in_trie(first, second, half)
}

/// What the trie says of an address, as a global function: its key is on no other stack.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn destination_in_trie(first: u64, second: u64, half: u32) -> u64 {
    let Some(trie) = DESTINATIONS.get(half % limits::HALVES) else {
        return 0;
    };
    let key = PrefixKey::host(Addr::from_halves([first, second]));
    // SAFETY: PrefixKey is the trie's key.
    let value = unsafe { number(ptr::from_ref(trie).cast(), (&raw const key).cast()) };
    value.unwrap_or(0)
}

/// [`flat::find_client`] as a global function: the one that judges has no place left on the stack.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn client_in_pages(first: u64, second: u64, half: u32) -> u32 {
    let addr = Addr::from_halves([first, second]);
    flat::find_client(&Generation::of_half(half), &addr.whole())
}

/// [`flat::end_v6`] as a global function: verified once, though it is long.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn flat_end_v6(page: u32, place: u32, first: u64, second: u64, half: u32) -> u32 {
    let page = page & (limits::DESTINATION_PAGES - 1);
    flat::end_v6(&Generation::of_half(half), [page, place], [first, second])
}

/// A page in the map.
#[derive(Clone, Copy)]
pub struct MapPage(&'static Page);

impl Pages for Generation {
    type Page = MapPage;

    #[inline(always)]
    fn page(&self, number: u32) -> Option<MapPage> {
        let place = self.half() * limits::DESTINATION_PAGES + number;
        FLAT.get_value(place, &0).map(MapPage)
    }

    #[inline(always)]
    fn end_v6(&self, [page, place]: [u32; 2], [first, second]: [u64; 2]) -> u32 {
        flat_end_v6(page, place, first, second, self.half())
    }
}

impl Words for MapPage {
    #[inline(always)]
    fn word(&self, at: u32) -> u64 {
        let words = ptr::from_ref(self.0).cast::<u64>();
        // SAFETY: inside the page, whose words are aligned; user space has written it before it was in the map.
        unsafe { words.add((at & (PAGE_WORDS - 1)) as usize).read() }
    }

    #[inline(always)]
    fn entry(&self, at: u32) -> u32 {
        let entries = ptr::from_ref(self.0).cast::<u32>();
        // SAFETY: as above.
        unsafe { entries.add(at as usize & (PAGE_ENTRIES - 1)).read() }
    }
}
