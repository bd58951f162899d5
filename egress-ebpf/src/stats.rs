//! Counters, one place a CPU: nothing else writes them while a program runs.

use aya_ebpf::btf_maps::PerCpuArray;
use egress_common::{
    dns::Outcome,
    flow::Addr,
    verdict::{Action, Counter, NO_SET, TrafficKey, Verdict, counter_index},
};

use crate::maps::{DNS, SETS, TRAFFIC, VERDICTS};

/// Counts a judged packet of `bytes` bytes, of the group whose counters stand at `group`.
#[inline(always)]
pub fn count_verdict(group: u8, action: Action, verdict: Verdict, bytes: usize) {
    let place = counter_index(group, action, verdict.reason);
    count(&VERDICTS, place, bytes);
    if verdict.set != NO_SET {
        count(&SETS, u32::from(verdict.set), bytes);
    }
}

/// Counts an allowed packet of `bytes` bytes by its destination, for the group whose counters stand at
/// `group`.
#[inline(always)]
pub fn count_traffic(dst: Addr, group: u8, verdict: Verdict, bytes: u64) {
    let key = TrafficKey {
        dst,
        pattern: verdict.pattern(),
        set: verdict.set,
        group: u16::from(group),
    };
    if let Some(counter) = TRAFFIC.get_ptr_mut(&key) {
        // SAFETY: this CPU's own place.
        unsafe {
            (*counter).packets += 1;
            (*counter).bytes += bytes;
        }
        return;
    }
    let first = Counter { packets: 1, bytes };
    // Without a place the packet counts for its set alone.
    let _: Result<(), i32> = TRAFFIC.insert(&key, &first, 0);
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
