//! LAN egress: what comes back to clients, counted as what they sent is.
//!
//! Nothing is decided here: a reply is counted under the reason that holds for what it answers.

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use egress_common::{
    flow::Flow,
    judge::{Tables as _, judge},
    parse::Datagram,
    rule::{GroupPolicy, feature},
    verdict::{Counter, NO_SET, reply_index},
};

use crate::{
    maps::{REPLIES, SET_REPLIES},
    stats::add,
    tables::Generation,
};

/// Counts a packet on its way to the machine `to`, where the config wants replies counted.
#[inline(always)]
pub fn count(ctx: &TcContext, datagram: &Datagram, to: [u8; 6]) {
    let Some(generation) = Generation::current() else {
        return;
    };
    if !generation.has(feature::COUNTS_REPLIES) {
        return;
    }
    // SAFETY: the context is valid for the program's life.
    let skb = unsafe { &*ctx.as_ptr().cast::<__sk_buff>() };
    let asked = Flow {
        interface: skb.ifindex,
        mac: to,
        ..datagram.flow.answered()
    };
    let counter = Counter {
        // Of what the kernel still has to cut into packets it knows how many they will be.
        packets: u64::from(skb.gso_segs.max(1)),
        bytes: u64::from(skb.len),
    };
    count_reply(&asked, generation.half(), &counter);
}

/// Judges what a reply answers and counts the reply, as a global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn count_reply(asked: *const Flow, half: u32, counter: *const Counter) -> u32 {
    // SAFETY: null, or a flow and a counter on the caller's stack.
    let (Some(asked), Some(counter)) = (unsafe { (asked.as_ref(), counter.as_ref()) }) else {
        return 0;
    };
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let asked = Flow { ..*asked };
    let generation = Generation::of_half(half);
    let verdict = judge(&asked, &generation);
    let policy = generation.policy(u32::from(verdict.group));
    let place = policy.unwrap_or(GroupPolicy::NONE).counters;
    add(&REPLIES, reply_index(place, verdict.reason), *counter);
    if verdict.set != NO_SET {
        add(&SET_REPLIES, u32::from(verdict.set), *counter);
    }
    0
}
