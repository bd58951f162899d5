//! Counters, one place a CPU: nothing else writes them while a program runs.

use aya_ebpf::btf_maps::PerCpuArray;
use egress_common::{
    dns::Outcome,
    flow::Addr,
    traffic::{self, CHUNK, Cause, Recent, TrafficKey, WAYS},
    verdict::{Action, Counter, NO_SET, Verdict, counter_index},
};

use crate::maps::{DNS, RECENT_TRAFFIC, SETS, TRAFFIC, VERDICTS};

/// Counts a judged packet of `bytes` bytes, of the group whose counters stand at `group`.
#[inline(always)]
pub fn count_verdict(group: u8, action: Action, verdict: Verdict, bytes: usize) {
    let place = counter_index(group, action, verdict.reason);
    count(&VERDICTS, place, bytes);
    if verdict.set != NO_SET {
        count(&SETS, u32::from(verdict.set), bytes);
    }
}

/// Counts an allowed packet of `bytes` bytes by its destination.
#[inline(always)]
pub fn count_traffic(dst: &Addr, cause: Cause, bytes: u64) {
    let Some([first, second]) = places(dst, cause) else {
        return;
    };
    // SAFETY: this CPU's own places.
    let [first, second] = unsafe { [&mut *first, &mut *second] };
    let counter = if first.counts(dst, cause) {
        &mut first.counter
    } else if second.counts(dst, cause) {
        &mut second.counter
    } else {
        count_another(dst, cause.to_word(), bytes);
        return;
    };
    counter.packets += 1;
    counter.bytes += bytes;
}

/// Gives a destination a place, and counts its packet. A global function: verified once, and rarely
/// called.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn count_another(dst: *const Addr, cause: u64, bytes: u64) -> u32 {
    // SAFETY: null, or the destination of a flow.
    let Some(dst) = (unsafe { dst.as_ref() }) else {
        return 0;
    };
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let key = TrafficKey {
        dst: *dst,
        cause: Cause::from_word(cause),
    };
    let Some([first, second]) = places(dst, key.cause) else {
        return 0;
    };
    // SAFETY: this CPU's own places.
    let leaves = unsafe { ((*second).key, (*second).counter) };
    if leaves.1.packets > 0 {
        keep(&leaves.0, leaves.1);
    }
    // SAFETY: as above.
    unsafe { Recent::give(second, (*first).key, (*first).counter) };
    let mut counter = kept(&key);
    counter.packets += 1;
    counter.bytes += bytes;
    // SAFETY: as above.
    unsafe { Recent::give(first, key, counter) };
    0
}

/// Where this CPU may count a destination.
#[inline(always)]
fn places(dst: &Addr, cause: Cause) -> Option<[*mut Recent; WAYS]> {
    let (chunk, place) = traffic::place(dst, cause);
    let places = RECENT_TRAFFIC.get_ptr_mut(chunk)?.cast::<Recent>();
    let first = places.wrapping_add(place as usize & (CHUNK - WAYS));
    Some([first, first.wrapping_add(1)])
}

/// What this CPU counted of a destination when it last gave up its place.
#[inline(always)]
fn kept(key: &TrafficKey) -> Counter {
    match TRAFFIC.get_ptr(key) {
        // SAFETY: this CPU's own place.
        Some(kept) => unsafe { *kept },
        None => Counter::default(),
    }
}

/// Keeps what this CPU counted of a destination that gives up its place.
#[inline(always)]
fn keep(key: &TrafficKey, counter: Counter) {
    if let Some(kept) = TRAFFIC.get_ptr_mut(key) {
        // SAFETY: this CPU's own place.
        unsafe { *kept = counter };
        return;
    }
    // Without a place its packets count for their set alone.
    let _: Result<(), i32> = TRAFFIC.insert(key, &counter, 0);
}

/// Counts a DNS message, or something that became of one of its addresses.
#[inline(always)]
pub fn count_dns(outcome: Outcome) {
    count_dns_of(outcome, 1);
}

/// Counts what became of so many addresses of one message.
#[inline(always)]
pub fn count_dns_of(outcome: Outcome, addresses: u64) {
    if let Some(messages) = DNS.get_ptr_mut(outcome as u32) {
        // SAFETY: this CPU's own place.
        unsafe { *messages += addresses };
    }
}

#[inline(always)]
fn count<const PLACES: usize>(counters: &PerCpuArray<Counter, PLACES>, place: u32, bytes: usize) {
    let one = Counter {
        packets: 1,
        bytes: bytes as u64,
    };
    add(counters, place, one);
}

/// Adds to a counter.
#[inline(always)]
pub fn add<const PLACES: usize>(
    counters: &PerCpuArray<Counter, PLACES>,
    place: u32,
    more: Counter,
) {
    if let Some(counter) = counters.get_ptr_mut(place) {
        // SAFETY: this CPU's own place.
        unsafe {
            (*counter).packets += more.packets;
            (*counter).bytes += more.bytes;
        }
    }
}
