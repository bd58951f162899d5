//! Tells a client that its packet was rejected: the frame becomes its answer and goes back.

use core::ptr;

use aya_ebpf::{
    bindings::{xdp_action, xdp_md},
    programs::XdpContext,
};
use egress_common::{
    bucket,
    flow::Addr,
    parse::Datagram,
    refusal::{answer, refusal},
};

use crate::{maps::REFUSALS, tables::now_ms, view::Frame};

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
