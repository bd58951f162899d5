//! LAN ingress where XDP cannot be: on devices without a link layer, and wherever TC is asked for.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    programs::TcContext,
};
use egress_common::{
    parse::{Network, link, parse_network},
    verdict::{Action, Reason},
};

use crate::{
    steer::apply,
    view::View,
    xdp::{Judged, judged},
};

/// Link layer, IPv6 with many options, TCP. Headers that reach further and lie in pages are malformed.
pub const HEADERS_BYTES: usize = 256;

/// Judges a packet, counts it, and steers what passes.
#[inline(always)]
pub fn lan_ingress<const ETHERNET: bool>(ctx: &TcContext) -> i32 {
    let headers = View::of_headers::<HEADERS_BYTES>(ctx);
    let parse = || parse_network(&headers, network::<ETHERNET>(ctx, &headers)?);
    let Some(judged) = judged(parse, interface(ctx), ctx.len() as usize) else {
        return TC_ACT_UNSPEC;
    };
    match judged.action {
        Action::Allow | Action::WouldDrop => {
            if let Some(steering) = judged.steering()
                && let Ok(network) = network::<ETHERNET>(ctx, &headers)
            {
                apply(ctx, &headers, network, steering);
            }
            TC_ACT_UNSPEC
        }
        Action::Drop => TC_ACT_SHOT,
        Action::Reject => reject(ctx, &judged),
    }
}

/// What becomes of a packet whose sender is to be told that it is denied.
#[inline(always)]
fn reject(_: &TcContext, _: &Judged) -> i32 {
    // There is no XDP_TX here to send an answer by: the packet is dropped in silence.
    TC_ACT_SHOT
}

/// Where the network header of a packet begins. Devices without a link layer say themselves what they
/// carry; an outer VLAN tag the kernel has taken off already.
#[inline(always)]
pub fn network<const ETHERNET: bool>(ctx: &TcContext, headers: &View) -> Result<Network, Reason> {
    // SAFETY: the context is valid for the program's life.
    let skb = unsafe { &*ctx.as_ptr().cast::<__sk_buff>() };
    if !ETHERNET {
        return Ok(Network::bare(u16::from_be(skb.protocol as u16)));
    }
    let network = link(headers)?;
    if skb.vlan_present == 0 {
        return Ok(network);
    }
    Ok(network.untagged(skb.vlan_tci as u16))
}

/// Index of the interface that a packet came in by.
#[inline(always)]
pub fn interface(ctx: &TcContext) -> u32 {
    // SAFETY: the context is valid for the program's life.
    unsafe { (*ctx.as_ptr().cast::<__sk_buff>()).ifindex }
}
