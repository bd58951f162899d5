//! Tells a client that its packet was rejected: the frame becomes its answer and goes back.

use core::{ops::RangeInclusive, ptr};

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    programs::XdpContext,
};
use egress_common::{
    bucket,
    flow::Addr,
    parse::Datagram,
    refusal::{answer, refusal, refuse_query},
};

use crate::{
    maps::{QUERY, REFUSALS},
    tables::now_ms,
    view::Frame,
};

/// Turns a packet that is not allowed into its answer, or drops it where nobody may be answered or the
/// client got enough answers.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn refuse(ctx: *mut xdp_md, datagram: *const Datagram) -> u32 {
    // SAFETY: null, or a datagram on the caller's stack.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
        return xdp_action::XDP_DROP;
    };
    let ctx = XdpContext::new(ctx);
    let mut frame = Frame::of(&ctx);
    let Some(refusal) = refusal(&frame, datagram) else {
        return xdp_action::XDP_DROP;
    };
    if !may_answer(datagram.flow.src) || !answer(&mut frame, datagram, refusal) {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_TX
}

/// Turns a DNS query into the answer of a resolver that refuses its name. The query was read before.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn refuse_name(ctx: *mut xdp_md, datagram: *const Datagram) -> u32 {
    // SAFETY: null, or the datagram of this CPU.
    let (Some(datagram), Some(query)) = (unsafe { datagram.as_ref() }, QUERY.get_ptr(0)) else {
        return xdp_action::XDP_DROP;
    };
    // SAFETY: this CPU's own place.
    let end = unsafe { (*query).question_end() } as usize;
    let ctx = XdpContext::new(ctx);
    let mut frame = Frame::of(&ctx);
    if !QUESTIONS.contains(&end)
        || !may_answer(datagram.flow.src)
        || refuse_query(&mut frame, datagram, end).is_none()
    {
        return xdp_action::XDP_DROP;
    }
    xdp_action::XDP_TX
}

/// Where questions end: behind the header, the root's name, type and class, or the longest name instead.
const QUESTIONS: RangeInclusive<usize> = 12 + 5..=12 + 259;

/// Takes an answer out of the client's bucket. Packets of one client on several CPUs at once may take the
/// same one: a few answers more.
#[inline(always)]
fn may_answer(client: Addr) -> bool {
    let due_ms = match REFUSALS.get_ptr(&client) {
        // SAFETY: one aligned word of an entry that stays readable for the program's life.
        Some(due_ms) => unsafe { ptr::read_volatile(due_ms) },
        None => 0,
    };
    match bucket::REFUSALS.take(due_ms, now_ms()) {
        Some(due_ms) => REFUSALS.insert(&client, &due_ms, 0).is_ok(),
        None => false,
    }
}
