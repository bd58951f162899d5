//! Verdicts that this CPU gave lately, in its own places.

use core::ptr;

use aya_ebpf::helpers::bpf_jiffies64;
use egress_common::{
    cache::{self, CHUNK, Cached, NO_STAMP, WAYS},
    flow::Flow,
    limits,
};

use crate::{
    maps::{CACHE, STAMPS},
    tables::is_replay,
};

/// The stamp of a half. It is read before any table is: what is judged while tables change carries the one of before.
#[inline(always)]
pub fn stamp(half: u32) -> u32 {
    match STAMPS.get_ptr(half % limits::HALVES) {
        // SAFETY: one aligned word of an entry that exists for the program's life.
        Some(stamp) => unsafe { ptr::read_volatile(stamp) },
        None => NO_STAMP,
    }
}

/// The verdict on a flow that was kept under this stamp.
#[inline(always)]
pub fn recall(flow: &Flow, stamp: u32) -> Option<&'static Cached> {
    if stamp == NO_STAMP {
        return None;
    }
    // SAFETY: this CPU's own places.
    let [first, second] = unsafe { places(flow)?.map(|place| &*place) };
    [first, second]
        .into_iter()
        .find(|kept| kept.holds(flow, stamp, tick))
}

/// Keeps a verdict on a flow in place of an older one, as a global function: its stack is not the judge's.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn cache_keep(flow: *const Flow, stamp: u32, verdict: u32, pattern: u32) -> u32 {
    // SAFETY: null, or the flow of this CPU's datagram.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return 0;
    };
    // The ticks of a connection in a replay are not those of the kernel.
    if pattern != 0 && is_replay() {
        return 0;
    }
    if let Some([first, second]) = places(flow) {
        // SAFETY: this CPU's own places.
        unsafe {
            if !(*first).is_of(flow) {
                *second = *first;
            }
            *first = Cached::new(flow, stamp, verdict, pattern, tick());
        }
    }
    0
}

/// The kernel's clock, in ticks.
#[inline(always)]
fn tick() -> u32 {
    // SAFETY: the helper takes no arguments and reads a counter.
    unsafe { bpf_jiffies64() as u32 }
}

/// Where this CPU may have the verdict on a flow.
#[inline(always)]
fn places(flow: &Flow) -> Option<[*mut Cached; WAYS]> {
    let (chunk, place) = cache::place(flow);
    let places = CACHE.get_ptr_mut(chunk)?.cast::<Cached>();
    let first = places.wrapping_add(place as usize & (CHUNK - WAYS));
    Some([first, first.wrapping_add(1)])
}
