//! Destinations that clients tried and no answer allows at that time: counted, each try.

use core::{
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr,
};

use egress_common::{
    flow::Flow,
    missed::{Missed, MissedKey, overrun_ms},
    verdict::Reason,
};

use crate::{
    maps::{MISSED, NO_EXIST},
    tables::{Generation, MapSlots, now_ms},
};

/// Notes a packet that was denied for this reason, if it is a try of a destination that no answer allows.
#[inline(always)]
pub fn note(flow: &Flow, reason: Reason) {
    if matches!(reason, Reason::NeverResolved | Reason::Expired) {
        note_missed(flow, reason as u32);
    }
}

/// [`note`] as a global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn note_missed(flow: *const Flow, reason: u32) -> u32 {
    // SAFETY: null, or the flow of this CPU's datagram.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return 0;
    };
    let reason = Reason::from_number(reason as u8);
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let Some(key) = MissedKey::of(flow, reason) else {
        return 0;
    };
    let now_ms = now_ms();
    // What was never resolved is not among the learned addresses.
    let learned = match reason {
        Reason::Expired => Generation::current()
            .and_then(|generation| MapSlots::of(&generation.learned_key(key.dst, key.client))),
        _ => None,
    };
    let overrun = match learned {
        Some(slots) => overrun_ms(slots, now_ms),
        None => 0,
    };
    if let Some(known) = MISSED.get_ptr_mut(&key) {
        again(known, reason, overrun, now_ms);
        return 0;
    }
    let first = Missed::first(reason, overrun, now_ms);
    if MISSED.insert(&key, &first, NO_EXIST).is_err()
        // Another CPU was first.
        && let Some(known) = MISSED.get_ptr_mut(&key)
    {
        again(known, reason, overrun, now_ms);
    }
    0
}

/// One more try.
#[inline(always)]
fn again(known: *mut Missed, reason: Reason, overrun: u64, now_ms: u64) {
    // SAFETY: aligned words of an entry that stays readable for the program's life. Of two CPUs at once one
    // says when it was last, and both are counted.
    unsafe {
        let _: u64 =
            atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(&raw mut (*known).count, 1);
        ptr::write_volatile(&raw mut (*known).last_ms, now_ms);
        ptr::write_volatile(&raw mut (*known).reason, reason as u32);
        if ptr::read_volatile(&raw const (*known).overrun_ms) < overrun {
            ptr::write_volatile(&raw mut (*known).overrun_ms, overrun);
        }
    }
}
