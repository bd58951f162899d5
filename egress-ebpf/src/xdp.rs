//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    flow::Flow,
    judge::{Tables as _, judge},
    packet::Packet as _,
    parse::{Datagram, parse},
    rule::GroupPolicy,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    events::{is_watched, note_sender, report},
    stats::count_verdict,
    tables::{Generation, remember},
    view::View,
};

/// Judges a frame, counts it, reports it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let frame = View::of_frame(ctx);
    let generation = Generation::current();
    let everybody = generation.map_or(GroupPolicy::NONE, Generation::everybody);
    if matches!(everybody.mode, Mode::Off) {
        return xdp_action::XDP_PASS;
    }
    let parsed = parsed(ctx, &frame);
    let (verdict, policy, number) = match generation {
        Some(generation) => {
            let verdict = decide(&parsed, generation, true);
            let policy = generation.policy(u32::from(verdict.group));
            (verdict, policy.unwrap_or(everybody), generation.number())
        }
        None => (Verdict::because(Reason::NoPolicy), everybody, 0),
    };
    let action = policy.mode.action(verdict.reason, policy.denial);
    count_verdict(policy.counters, action, verdict, frame.frame_len());
    if !matches!(action, Action::Allow) && is_watched() {
        if parsed.is_err() {
            note_sender(&frame, ctx.ingress_ifindex() as u32);
        }
        let flow = parsed.as_ref().map(|datagram| &datagram.flow);
        report(flow.ok(), number, verdict, action, frame.frame_len());
    }
    match action {
        Action::Allow | Action::WouldDrop => xdp_action::XDP_PASS,
        Action::Drop | Action::Reject => xdp_action::XDP_DROP,
    }
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted, reported or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => decide(&parsed(ctx, &View::of_frame(ctx)), generation, false),
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

#[inline(always)]
fn parsed(ctx: &XdpContext, frame: &View) -> Result<Datagram, Reason> {
    let mut parsed = parse(frame);
    if let Ok(datagram) = &mut parsed {
        datagram.flow.interface = ctx.ingress_ifindex() as u32;
    }
    parsed
}

#[inline(always)]
fn decide(parsed: &Result<Datagram, Reason>, generation: Generation, remembers: bool) -> Verdict {
    match parsed {
        Ok(datagram) => {
            let remembers = u32::from(remembers);
            Verdict::from_code(judge_flow(&datagram.flow, generation.half(), remembers))
        }
        Err(reason) => Verdict::because(*reason),
    }
}

/// [`judge`] as a global function: verified once, on its own, however a packet was parsed. Where
/// `remembers` is not 0, it notes the connection that it admits.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_flow(flow: *const Flow, half: u32, remembers: u32) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    // A copy: Linux 6.1 refuses a map key behind a global function's pointer.
    let flow = Flow { ..*flow };
    let verdict = judge(&flow, &Generation::of_half(half));
    if verdict.admits != 0 && remembers != 0 {
        remember(&flow, verdict.admits);
    }
    verdict.to_code()
}
