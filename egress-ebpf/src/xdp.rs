//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    flow::Flow,
    judge::{Tables as _, judge},
    packet::Packet as _,
    parse::parse,
    rule::GroupPolicy,
    verdict::{Action, Mode, NO_SET, Reason, Verdict},
};

use crate::{
    stats::{count_traffic, count_verdict},
    tables::{Generation, remember},
    view::View,
};

/// Judges a frame, counts it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let frame = View::of_frame(ctx);
    let (verdict, policy) = match Generation::current() {
        Some(generation) => {
            let everybody = generation.everybody();
            if matches!(everybody.mode, Mode::Off) {
                return xdp_action::XDP_PASS;
            }
            let verdict = decide(ctx, &frame, generation, frame.frame_len() as u32);
            let policy = generation.policy(u32::from(verdict.group));
            (verdict, policy.unwrap_or(everybody))
        }
        None => (Verdict::because(Reason::NoPolicy), GroupPolicy::NONE),
    };
    let action = policy.mode.action(verdict.reason, policy.denial);
    count_verdict(policy.counters, action, verdict, frame.frame_len());
    match action {
        Action::Allow | Action::WouldDrop => xdp_action::XDP_PASS,
        Action::Drop | Action::Reject => xdp_action::XDP_DROP,
    }
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => decide(ctx, &View::of_frame(ctx), generation, 0),
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

#[inline(always)]
fn decide(ctx: &XdpContext, frame: &View, generation: Generation, bytes: u32) -> Verdict {
    match parse(frame) {
        Ok(mut datagram) => {
            datagram.flow.interface = ctx.ingress_ifindex() as u32;
            Verdict::from_code(judge_flow(&datagram.flow, generation.half(), bytes))
        }
        Err(reason) => Verdict::because(reason),
    }
}

/// [`judge`] as a global function: verified once, on its own, however a packet was parsed. A frame of
/// `bytes` bytes is counted by its destination, and the connection that it belongs to is remembered; 0
/// asks without a trace.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_flow(flow: *const Flow, half: u32, bytes: u32) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    // A copy: Linux 6.1 refuses a map key behind a global function's pointer.
    let flow = Flow { ..*flow };
    let generation = Generation::of_half(half);
    let verdict = judge(&flow, &generation);
    if bytes == 0 {
        return verdict.to_code();
    }
    if verdict.admits != 0 {
        remember(&flow, verdict.admits);
    }
    if verdict.set != NO_SET
        && verdict.reason.passes()
        && let Some(policy) = generation.policy(u32::from(verdict.group))
    {
        count_traffic(flow.dst, policy.counters, verdict, u64::from(bytes));
    }
    verdict.to_code()
}
