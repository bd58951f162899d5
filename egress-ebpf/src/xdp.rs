//! LAN ingress: every packet of a client is judged.

use aya_ebpf::{bindings::xdp_action, programs::XdpContext};
use egress_common::{
    flow::Flow,
    judge::{Tables as _, judge},
    packet::Packet as _,
    parse::{Datagram, parse},
    rule::GroupPolicy,
    steer::{Note, Steering},
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    stats::count_verdict,
    tables::{Generation, remember},
    view::{View, leave},
};

/// Judges a frame, counts it, and turns the verdict into an XDP action.
#[inline(always)]
pub fn lan_ingress(ctx: &XdpContext) -> xdp_action::Type {
    let frame = View::of_frame(ctx);
    let interface = ctx.ingress_ifindex() as u32;
    let Some(judged) = judged(|| parse(&frame), interface, frame.frame_len()) else {
        return xdp_action::XDP_PASS;
    };
    match judged.action {
        Action::Allow | Action::WouldDrop => {
            if let Some(steering) = judged.steering() {
                leave(ctx, Note::of(steering));
            }
            xdp_action::XDP_PASS
        }
        Action::Drop | Action::Reject => xdp_action::XDP_DROP,
    }
}

/// What was decided about a packet.
pub struct Judged {
    /// What the policy says.
    pub verdict: Verdict,
    /// What becomes of the packet.
    pub action: Action,
    generation: Option<Generation>,
}

impl Judged {
    /// How the packet is steered if it passes; nothing where no packet is.
    #[inline(always)]
    pub fn steering(&self) -> Option<Steering> {
        self.generation?.steering(self.verdict)
    }
}

/// Judges a packet that came in by `interface`, and counts it; nothing where the mode is off.
#[inline(always)]
pub fn judged(
    parse: impl FnOnce() -> Result<Datagram, Reason>,
    interface: u32,
    bytes: usize,
) -> Option<Judged> {
    let generation = Generation::current();
    let (verdict, policy) = match generation {
        Some(generation) => {
            let everybody = generation.everybody();
            if matches!(everybody.mode, Mode::Off) {
                return None;
            }
            let verdict = decide(parse(), interface, generation, true);
            let policy = generation.policy(u32::from(verdict.group));
            (verdict, policy.unwrap_or(everybody))
        }
        None => (Verdict::because(Reason::NoPolicy), GroupPolicy::NONE),
    };
    let action = policy.mode.action(verdict.reason, policy.denial);
    count_verdict(policy.counters, action, verdict, bytes);
    Some(Judged {
        verdict,
        action,
        generation,
    })
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => {
            let interface = ctx.ingress_ifindex() as u32;
            decide(parse(&View::of_frame(ctx)), interface, generation, false)
        }
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

/// The verdict for a packet; where it `remembers`, the connection that it admits is noted.
#[inline(always)]
pub fn decide(
    parsed: Result<Datagram, Reason>,
    interface: u32,
    generation: Generation,
    remembers: bool,
) -> Verdict {
    match parsed {
        Ok(mut datagram) => {
            datagram.flow.interface = interface;
            let remembers = u32::from(remembers);
            Verdict::from_code(judge_flow(&datagram.flow, generation.half(), remembers))
        }
        Err(reason) => Verdict::because(reason),
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
