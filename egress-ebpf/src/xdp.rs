//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    decide::decide,
    judge::Tables as _,
    parse::Datagram,
    rule::GroupPolicy,
    steer::Note,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    datagram::{Global, parsed},
    events::{is_watched, note_sender, report},
    refuse::refuse,
    stats::count_verdict,
    tables::Generation,
    view::{View, leave},
};

/// Judges a frame, counts it, reports it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let mut bytes = View::of_frame(ctx).len();
    let mut refused = xdp_action::XDP_DROP;
    let (verdict, policy, datagram, number) = match Generation::current() {
        Some(generation) => {
            let everybody = generation.everybody();
            if matches!(everybody.mode, Mode::Off) {
                return xdp_action::XDP_PASS;
            }
            let (verdict, datagram) = judged(ctx, generation, View::of_frame(ctx).len() as u32);
            let policy = generation.policy(u32::from(verdict.group));
            (
                verdict,
                policy.unwrap_or(everybody),
                datagram,
                generation.number(),
            )
        }
        None => (
            Verdict::because(Reason::NoPolicy),
            GroupPolicy::NONE,
            None,
            0,
        ),
    };
    let mut action = policy.mode.action(verdict.reason, policy.denial);
    if let Some(datagram) = datagram {
        // Of a frame in several buffers, what IP says.
        bytes = bytes.max(datagram.end);
        if matches!(action, Action::Reject) {
            refused = refuse(ctx.ctx, datagram);
        }
    }
    if matches!(action, Action::Reject) && refused == xdp_action::XDP_DROP {
        action = Action::Drop;
    }
    count_verdict(policy.counters, action, verdict, bytes);
    if !matches!(action, Action::Allow) && is_watched() {
        if datagram.is_none() {
            note_sender(&View::of_frame(ctx), ctx.ingress_ifindex() as u32);
        }
        report(
            datagram.map(|datagram| &datagram.flow),
            number,
            verdict,
            action,
            bytes,
        );
    }
    match action {
        Action::Allow | Action::WouldDrop => {
            if let Some(steering) = Generation::current().and_then(|g| g.steering(verdict)) {
                leave(ctx, Note::of(steering));
            }
            xdp_action::XDP_PASS
        }
        Action::Drop | Action::Reject => refused,
    }
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted, reported or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => judged(ctx, generation, 0).0,
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

/// The verdict on a frame, and what it holds. A frame of `bytes` bytes leaves its traces; 0 asks without.
#[inline(always)]
fn judged(
    ctx: &XdpContext,
    generation: Generation,
    bytes: u32,
) -> (Verdict, Option<&'static Datagram>) {
    let datagram = match parsed(ctx) {
        Ok(datagram) => datagram,
        Err(reason) => return (Verdict::because(reason), None),
    };
    let steps = Global {
        ctx,
        generation,
        bytes,
    };
    (decide(datagram, &steps), Some(datagram))
}
