//! LAN ingress at XDP.

use aya_ebpf::{
    bindings::xdp_action::{self, XDP_DROP, XDP_PASS, XDP_REDIRECT, XDP_TX},
    programs::XdpContext,
};
use egress_common::{
    flow::Flow,
    parse::Datagram,
    steer::Note,
    verdict::{Action, Reason, Verdict},
};

use crate::{
    datagram::{decide, packet_options, parse_frame, parsed, quoted_flow},
    dns::{query::frame_query, strict::frame_strict},
    events::sender,
    forward::forward,
    ingress::{Hook, judged},
    refuse::{refuse, refuse_name},
    tables::Generation,
    view::{View, leave},
};

/// Judges a frame, counts it, reports it, and turns the verdict into an XDP action. What passes takes a
/// note along of how it is steered. In the driver (`NATIVE`), what is allowed may leave past the stack.
#[inline(always)]
pub fn lan_ingress<const NATIVE: bool>(ctx: &XdpContext) -> xdp_action::Type {
    let Some(judged) = judged(ctx) else {
        return XDP_PASS;
    };
    match judged.action {
        Action::Allow | Action::WouldDrop => {
            if NATIVE
                && let Some(passage) = judged.passage()
                && forward(ctx.ctx, passage.code, passage.half) == XDP_REDIRECT
            {
                return XDP_REDIRECT;
            }
            if let Some(steering) = judged.steering() {
                leave(ctx, Note::of(steering));
            }
            XDP_PASS
        }
        Action::Drop => XDP_DROP,
        Action::Reject => XDP_TX,
    }
}

/// What would become of a frame, as the code of a [`Verdict`]; nothing is counted, reported or remembered.
#[inline(always)]
pub fn ask(ctx: &XdpContext) -> u32 {
    let verdict = match Generation::current() {
        Some(generation) => decide(ctx, parsed(ctx), generation, 0),
        None => Verdict::because(Reason::NoPolicy),
    };
    verdict.to_code()
}

impl Hook for XdpContext {
    #[inline(always)]
    fn bytes(&self) -> usize {
        View::of_frame(self).len()
    }

    #[inline(always)]
    fn whole_bytes(&self) -> usize {
        View::of_frame(self).frame_len()
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn sender(&self) -> [u8; 6] {
        sender(&View::of_frame(self))
    }

    #[cfg(feature = "log")]
    #[inline(always)]
    fn say_unparsed(&self, reason: u32) {
        crate::log::frame_unparsed(self.ctx, reason);
    }

    #[inline(always)]
    fn parse(&self, datagram: *mut Datagram) -> u32 {
        parse_frame(self.ctx, datagram)
    }

    #[inline(always)]
    fn options(&self, datagram: *const Datagram) -> u32 {
        packet_options(self.ctx, datagram)
    }

    #[inline(always)]
    fn quoted(&self, datagram: *const Datagram, flow: *mut Flow) -> u32 {
        quoted_flow(self.ctx, datagram, flow)
    }

    #[inline(always)]
    fn may_ask(&self, datagram: *const Datagram, half: u32, alone: u32) -> u32 {
        frame_strict(self.ctx, datagram, half, alone)
    }

    #[inline(always)]
    fn asks(&self, datagram: *const Datagram, half: u32) {
        frame_query(self.ctx, datagram, half);
    }

    #[inline(always)]
    fn answers(&self, datagram: *const Datagram, reason: Reason) -> bool {
        let action = match reason {
            Reason::DnsNameRefused => refuse_name(self.ctx, datagram),
            _ => refuse(self.ctx, datagram),
        };
        action == XDP_TX
    }
}
