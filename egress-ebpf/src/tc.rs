//! LAN ingress where XDP cannot be: on devices without a link layer, and wherever TC is asked for.

use aya_ebpf::{
    bindings::{TC_ACT_SHOT, TC_ACT_UNSPEC},
    programs::TcContext,
};
use egress_common::{
    decide::decide,
    judge::Tables as _,
    parse::Datagram,
    rule::GroupPolicy,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    events::{is_watched, note_interface, note_sender, report},
    skb::{Global, buffer, headers, parsed},
    stats::count_verdict,
    steer::apply,
    tables::Generation,
};

/// Judges a packet, counts it, reports it, and steers what passes.
#[inline(always)]
pub fn lan_ingress<const ETHERNET: bool>(ctx: &TcContext) -> i32 {
    let bytes = ctx.len();
    let generation = Generation::current();
    let (verdict, policy, datagram, number) = match generation {
        Some(generation) => {
            let everybody = generation.everybody();
            if matches!(everybody.mode, Mode::Off) {
                return TC_ACT_UNSPEC;
            }
            let (verdict, datagram) = judged::<ETHERNET>(ctx, generation, bytes);
            let policy = generation.policy(u32::from(verdict.group));
            let number = generation.number();
            (verdict, policy.unwrap_or(everybody), datagram, number)
        }
        None => {
            let verdict = Verdict::because(Reason::NoPolicy);
            (verdict, GroupPolicy::NONE, None, 0)
        }
    };
    let mut action = policy.mode.action(verdict.reason, policy.denial);
    if matches!(action, Action::Reject) && !refuse(ctx, datagram) {
        action = Action::Drop;
    }
    count_verdict(policy.counters, action, verdict, bytes as usize);
    if !matches!(action, Action::Allow) && is_watched() {
        match ETHERNET {
            _ if datagram.is_some() => {}
            true => note_sender(&headers(ctx), buffer(ctx).ifindex),
            false => note_interface(buffer(ctx).ifindex),
        }
        let flow = datagram.map(|datagram| &datagram.flow);
        report(flow, number, verdict, action, bytes as usize);
    }
    match action {
        Action::Allow | Action::WouldDrop => {
            let steering = generation.and_then(|generation| generation.steering(verdict));
            if let (Some(steering), Some(datagram)) = (steering, datagram) {
                apply(ctx, datagram, steering);
            }
            TC_ACT_UNSPEC
        }
        Action::Drop | Action::Reject => TC_ACT_SHOT,
    }
}

/// The verdict on a packet, and what it holds. A packet of `bytes` bytes leaves its traces; 0 asks without.
#[inline(always)]
pub fn judged<const ETHERNET: bool>(
    ctx: &TcContext,
    generation: Generation,
    bytes: u32,
) -> (Verdict, Option<&'static Datagram>) {
    let datagram = match parsed::<ETHERNET>(ctx) {
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

/// Tells a client that its packet was rejected; whether it was told. There is no `XDP_TX` here to send the
/// answer by: the packet is dropped in silence.
#[inline(always)]
fn refuse(_: &TcContext, _: Option<&Datagram>) -> bool {
    false
}
