//! Counters, one place a CPU: nothing else writes them while a program runs.

use aya_ebpf::btf_maps::PerCpuArray;
use egress_common::{
    dns::Outcome,
    verdict::{Action, Counter, NO_SET, Verdict, counter_index},
};

use crate::maps::{DNS, SETS, VERDICTS};

/// Counts a judged packet of `bytes` bytes, of the group whose counters stand at `group`.
#[inline(always)]
pub fn count_verdict(group: u8, action: Action, verdict: Verdict, bytes: usize) {
    let place = counter_index(group, action, verdict.reason);
    count(&VERDICTS, place, bytes);
    if verdict.set != NO_SET {
        count(&SETS, u32::from(verdict.set), bytes);
    }
}

/// Counts a DNS message, or something that became of one of its addresses.
#[inline(always)]
pub fn count_dns(outcome: Outcome) {
    if let Some(messages) = DNS.get_ptr_mut(outcome as u32) {
        // SAFETY: this CPU's own place.
        unsafe { *messages += 1 };
    }
}

#[inline(always)]
fn count<const PLACES: usize>(counters: &PerCpuArray<Counter, PLACES>, place: u32, bytes: usize) {
    if let Some(counter) = counters.get_ptr_mut(place) {
        // SAFETY: this CPU's own place.
        unsafe {
            (*counter).packets += 1;
            (*counter).bytes += bytes as u64;
        }
    }
}
