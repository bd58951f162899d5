//! LAN egress: what comes back to clients, counted as what they sent is.
//!
//! Nothing is decided here: a reply is counted under the reason that holds for what it answers.

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use egress_common::{
    cache::NO_STAMP,
    judge::Tables as _,
    parse::Datagram,
    rule::{GroupPolicy, feature},
    verdict::{Counter, NO_SET, Verdict, reply_index},
};

use crate::{
    datagram::{buffer, judge_flow},
    events::receiver,
    maps::{ASKED, REPLIES, SET_REPLIES},
    stats::add,
    tables::Generation,
    view::View,
};

/// Counts a packet on its way to a client, where the config wants replies counted.
#[inline(always)]
pub fn count<const ETHERNET: bool>(ctx: &TcContext, datagram: &Datagram) {
    let Some(generation) = Generation::current() else {
        return;
    };
    if generation.has(feature::COUNTS_REPLIES) {
        let skb = ctx.as_ptr().cast();
        count_reply(skb, datagram, generation.half(), u32::from(ETHERNET));
    }
}

/// Judges what a reply answers and counts the reply, as a global function: verified once, on its own. The flow
/// that is judged is not on its stack, which the judge's stands on.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn count_reply(
    ctx: *mut __sk_buff,
    datagram: *const Datagram,
    half: u32,
    ethernet: u32,
) -> u32 {
    // SAFETY: the context is valid for the program's life; the datagram is null, or the one of this CPU.
    let (skb, Some(datagram)) = (unsafe { (&*ctx, datagram.as_ref()) }) else {
        return 0;
    };
    let to = if ethernet == 0 {
        [0; 6]
    } else {
        receiver(&View::of_pulled(&buffer(ctx)))
    };
    // SAFETY: this CPU's own place, and programs of LAN egress do not interrupt each other.
    let Some(asked) = (unsafe { ASKED.get_ptr_mut(0).and_then(|asked| asked.as_mut()) }) else {
        return 0;
    };
    datagram.flow.answered(asked);
    asked.interface = skb.ifindex;
    asked.mac = to;
    let generation = Generation::of_half(half);
    let verdict = Verdict::from_code(judge_flow(asked, half, 0, NO_STAMP));
    let counter = Counter {
        // Of what the kernel still has to cut into packets it knows how many they will be.
        packets: u64::from(skb.gso_segs.max(1)),
        bytes: u64::from(skb.len),
    };
    let policy = generation.policy(u32::from(verdict.group));
    let place = policy.unwrap_or(GroupPolicy::NONE).counters;
    add(&REPLIES, reply_index(place, verdict.reason), counter);
    if verdict.set != NO_SET {
        add(&SET_REPLIES, u32::from(verdict.set), counter);
    }
    0
}
