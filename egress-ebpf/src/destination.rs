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

    /// The same, in place.
    #[inline(always)]
    pub fn covering(self, addr: &Addr) -> Destination {
        if self.has(feature::FLAT) {
            flat::find(&self, &addr.whole())
        } else {
            self.in_trie(addr)
        }
    }

    #[inline(always)]
    fn in_trie(self, addr: &Addr) -> Destination {
        let Some(trie) = DESTINATIONS.get(self.half()) else {
            return Destination::default();
        };
        let key = PrefixKey::host(*addr);
        // SAFETY: PrefixKey is the trie's key.
        let value = unsafe { number(ptr::from_ref(trie).cast(), (&raw const key).cast()) };
        Destination::from_value(value.unwrap_or(0))
    }
}

/// [`Generation::covering`] as a global function: verified once, however many ask.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn destination_value(first: u64, second: u64, half: u32) -> u64 {
    let addr = Addr::from_halves([first, second]);
    Generation::of_half(half).covering(&addr).to_value()
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
