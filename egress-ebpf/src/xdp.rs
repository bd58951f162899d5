//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    decide::decide,
    judge::Tables as _,
    rule::GroupPolicy,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    datagram::{Global, Parsed, parsed},
    events::{is_watched, note_sender, report},
    refuse::refuse,
    stats::count_verdict,
    tables::Generation,
    view::View,
};

/// Judges a frame, counts it, reports it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let Some(generation) = Generation::current() else {
        return lawless(ctx);
    };
    let everybody = generation.everybody();
    if matches!(everybody.mode, Mode::Off) {
        return xdp_action::XDP_PASS;
    }
    let parsed = parsed(ctx);
    let bytes = bytes(&View::of_frame(ctx), parsed);
    let verdict = judged(ctx, parsed, generation, bytes);
    let policy = generation.policy(u32::from(verdict.group));
    let policy = policy.unwrap_or(everybody);
    let action = policy.mode.action(verdict.reason, policy.denial);
    let (action, fate) = carry_out(ctx, action, parsed);
    count_verdict(policy.counters, action, verdict, bytes);
    tell(ctx, parsed, generation.number(), verdict, action, bytes);
    fate
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted, reported or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => judged(ctx, parsed(ctx), generation, 0),
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

/// No generation, no packet.
#[inline(always)]
fn lawless(ctx: &XdpContext) -> xdp_action::Type {
    let verdict = Verdict::because(Reason::NoPolicy);
    let bytes = View::of_frame(ctx).frame_len();
    count_verdict(GroupPolicy::NONE.counters, Action::Drop, verdict, bytes);
    let parsed = Err(Reason::NoPolicy);
    tell(ctx, parsed, 0, verdict, Action::Drop, bytes);
    xdp_action::XDP_DROP
}

/// Reports a frame that is not allowed, if somebody watches.
#[inline(always)]
fn tell(
    ctx: &XdpContext,
    parsed: Parsed,
    number: u64,
    verdict: Verdict,
    action: Action,
    bytes: usize,
) {
    if matches!(action, Action::Allow) || !is_watched() {
        return;
    }
    if parsed.is_err() {
        note_sender(&View::of_frame(ctx), ctx.ingress_ifindex() as u32);
    }
    let flow = parsed.ok().map(|datagram| &datagram.flow);
    report(flow, number, verdict, action, bytes);
}

/// Bytes of a frame. Of one in several buffers the kernel tells the length, which takes time; IP does too.
#[inline(always)]
fn bytes(frame: &View, parsed: Parsed) -> usize {
    match parsed {
        Ok(datagram) => frame.len().max(datagram.end),
        Err(_) => frame.frame_len(),
    }
}

/// The verdict on a frame. One of `bytes` bytes leaves its traces; 0 asks without.
#[inline(always)]
fn judged(ctx: &XdpContext, parsed: Parsed, generation: Generation, bytes: usize) -> Verdict {
    let steps = Global {
        ctx,
        generation,
        bytes: bytes as u32,
    };
    match parsed {
        Ok(datagram) => decide(datagram, &steps),
        Err(reason) => Verdict::because(reason),
    }
}

/// What happens to a frame. A rejected one becomes its answer, or is dropped where there is none.
#[inline(always)]
fn carry_out(ctx: &XdpContext, action: Action, parsed: Parsed) -> (Action, xdp_action::Type) {
    let fate = match (action, parsed) {
        (Action::Allow | Action::WouldDrop, _) => return (action, xdp_action::XDP_PASS),
        (Action::Reject, Ok(datagram)) => refuse(ctx.ctx, datagram),
        (Action::Drop | Action::Reject, _) => xdp_action::XDP_DROP,
    };
    match fate {
        xdp_action::XDP_TX => (Action::Reject, fate),
        _ => (Action::Drop, xdp_action::XDP_DROP),
    }
}
