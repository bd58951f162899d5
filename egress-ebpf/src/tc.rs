//! LAN ingress where XDP cannot be: on devices without a link layer, and wherever TC is asked for.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, TC_ACT_SHOT, TC_ACT_UNSPEC},
    programs::TcContext,
};
use egress_common::{
    flow::Flow,
    parse::{Datagram, Network, link},
    verdict::{Action, Reason},
};

use crate::{
    datagram::{buffer_options, buffer_quoted, parse_bare, parse_buffer},
    dns::{query::buffer_query, strict::buffer_strict},
    events::sender,
    ingress::{Hook, judged},
    steer::apply,
    view::View,
};

/// Link layer, IPv6 with many options, TCP. Headers that reach further and lie in pages are malformed.
pub const HEADERS_BYTES: usize = 256;

/// Judges a packet, counts it, reports it, and steers what passes.
#[inline(always)]
pub fn lan_ingress<const ETHERNET: bool>(ctx: &TcContext) -> i32 {
    let Some(judged) = judged(&Buffer::<ETHERNET>(ctx)) else {
        return TC_ACT_UNSPEC;
    };
    match judged.action {
        Action::Allow | Action::WouldDrop => {
            if let Some(steering) = judged.steering() {
                let headers = View::of_headers::<HEADERS_BYTES>(ctx);
                if let Ok(network) = network::<ETHERNET>(ctx, &headers) {
                    apply(ctx, &headers, network, steering);
                }
            }
            TC_ACT_UNSPEC
        }
        Action::Drop | Action::Reject => TC_ACT_SHOT,
    }
}

/// A socket buffer, with an Ethernet header or without.
pub struct Buffer<'a, const ETHERNET: bool>(pub &'a TcContext);

impl<const ETHERNET: bool> Buffer<'_, ETHERNET> {
    #[inline(always)]
    fn skb(&self) -> *mut __sk_buff {
        self.0.as_ptr().cast()
    }
}

impl<const ETHERNET: bool> Hook for Buffer<'_, ETHERNET> {
    #[inline(always)]
    fn bytes(&self) -> usize {
        self.0.len() as usize
    }

    #[inline(always)]
    fn whole_bytes(&self) -> usize {
        self.bytes()
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        // SAFETY: the context is valid for the program's life.
        unsafe { (*self.skb()).ifindex }
    }

    #[inline(always)]
    fn sender(&self) -> [u8; 6] {
        if !ETHERNET {
            return [0; 6];
        }
        sender(&View::of_headers::<HEADERS_BYTES>(self.0))
    }

    #[cfg(feature = "log")]
    #[inline(always)]
    fn say_unparsed(&self, reason: u32) {
        crate::log::buffer_unparsed(self.skb(), reason, ETHERNET.into());
    }

    #[inline(always)]
    fn parse(&self, datagram: *mut Datagram) -> u32 {
        if ETHERNET {
            parse_buffer(self.skb(), datagram)
        } else {
            parse_bare(self.skb(), datagram)
        }
    }

    #[inline(always)]
    fn options(&self, datagram: *const Datagram) -> u32 {
        buffer_options(self.skb(), datagram)
    }

    #[inline(always)]
    fn quoted(&self, datagram: *const Datagram, flow: *mut Flow) -> u32 {
        buffer_quoted(self.skb(), datagram, flow)
    }

    #[inline(always)]
    fn may_ask(&self, datagram: *const Datagram, half: u32, alone: u32) -> u32 {
        buffer_strict(self.skb(), datagram, half, alone)
    }

    #[inline(always)]
    fn asks(&self, datagram: *const Datagram, half: u32) {
        buffer_query(self.skb(), datagram, half);
    }

    /// There is no `XDP_TX` here to send an answer by: the packet is dropped in silence.
    #[inline(always)]
    fn answers(&self, _: *const Datagram, _: Reason) -> bool {
        false
    }
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
