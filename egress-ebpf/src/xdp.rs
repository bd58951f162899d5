//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    flow::Flow,
    judge::judge,
    packet::Packet as _,
    parse::parse,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    stats::count_verdict,
    tables::{Generation, remember},
    view::View,
};

/// Judges a frame, counts it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let frame = View::of_frame(ctx);
    let generation = Generation::current();
    let mode = match generation.and_then(Generation::settings) {
        Some(settings) => Mode::from_number(settings.mode),
        None => Mode::Enforce,
    };
    if mode == Mode::Off {
        return xdp_action::XDP_PASS;
    }
    let verdict = decide(&frame, generation);
    let action = mode.action(verdict.reason);
    count_verdict(action, verdict, frame.frame_len());
    match action {
        Action::Allow | Action::WouldDrop => xdp_action::XDP_PASS,
        Action::Drop => xdp_action::XDP_DROP,
    }
}

#[inline(always)]
fn decide(frame: &View, generation: Option<Generation>) -> Verdict {
    let Some(generation) = generation else {
        return Verdict::because(Reason::NoPolicy);
    };
    match parse(frame) {
        Ok(datagram) => Verdict::from_code(judge_flow(&datagram.flow, generation.half())),
        Err(reason) => Verdict::because(reason),
    }
}

/// [`judge`] as a global function: verified once, on its own, however a packet was parsed.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_flow(flow: *const Flow, half: u32) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    // A copy: Linux 6.1 refuses a map key behind a global function's pointer.
    let flow = Flow { ..*flow };
    let verdict = judge(&flow, &Generation::of_half(half));
    if verdict.admits != 0 {
        remember(&flow, verdict.admits);
    }
    verdict.to_code()
}
