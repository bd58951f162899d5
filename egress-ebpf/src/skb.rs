//! Datagrams of socket buffers, for the hooks of TC: the steps of [`decide`](egress_common::decide::decide)
//! as [`crate::datagram`] has them for XDP.

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use core::ptr::NonNull;
use egress_common::{
    decide::Steps,
    flow::Flow,
    parse::{self, Datagram, VLAN_ID, parse_bare},
    verdict::{Reason, Verdict},
};

use crate::{
    datagram::{ROOM, checked, fragment_follow, from_code, judge_flow, read_quote, to_code},
    maps::DATAGRAM,
    tables::Generation,
    view::{self, View},
};

/// Link layer, IPv6 with many options, TCP. Headers that reach further and lie in pages are malformed.
const HEADERS_BYTES: usize = 256;

/// Steps as calls of global functions.
pub struct Global<'a> {
    /// The packet.
    pub ctx: &'a TcContext,
    /// The generation that judges.
    pub generation: Generation,
    /// Bytes of the packet, for which what is decided leaves its traces; 0 asks without.
    pub bytes: u32,
}

impl Steps for Global<'_> {
    #[inline(always)]
    fn options(&self, datagram: &Datagram) -> Result<(), Reason> {
        from_code(skb_options(self.ctx.as_ptr().cast(), datagram))
    }

    #[inline(always)]
    fn judge(&self, flow: &Flow, remembers: bool) -> Verdict {
        let bytes = if remembers { self.bytes } else { 0 };
        Verdict::from_code(judge_flow(flow, self.generation.half(), bytes))
    }

    #[inline(always)]
    fn quoted(&self, datagram: &Datagram) -> Result<Flow, Reason> {
        let mut flow = datagram.flow;
        from_code(skb_quoted(self.ctx.as_ptr().cast(), datagram, &mut flow))?;
        Ok(flow)
    }

    #[inline(always)]
    fn follow(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        Verdict::from_code(fragment_follow(datagram, alone.to_code(), self.bytes))
    }
}

/// The headers of a packet.
#[inline(always)]
pub fn headers(ctx: &TcContext) -> View {
    View::of_headers::<HEADERS_BYTES>(ctx)
}

/// The datagram of a packet, as one place a CPU holds it.
///
/// # Errors
/// The reason that settles the packet.
#[inline(always)]
pub fn parsed<const ETHERNET: bool>(ctx: &TcContext) -> Result<&'static Datagram, Reason> {
    let datagram = DATAGRAM.get_ptr_mut(0).ok_or(Reason::NoPolicy)?;
    let skb = ctx.as_ptr().cast();
    from_code(match ETHERNET {
        true => parse_skb_frame(skb, datagram),
        false => parse_skb_ip(skb, datagram),
    })?;
    // SAFETY: this CPU's own place.
    Ok(unsafe { &*datagram })
}

/// Parses a packet of a device with an Ethernet header, or of one without, which says itself what it
/// carries. An outer VLAN tag the kernel has taken off already.
///
/// # Errors
/// The reason that settles the packet.
#[inline(always)]
pub fn parse<const ETHERNET: bool>(ctx: &TcContext, headers: &View) -> Result<Datagram, Reason> {
    match ETHERNET {
        true => parse::parse(headers),
        false => parse_bare(headers, u16::from_be(buffer(ctx).protocol as u16)),
    }
}

/// See [`parse`]; the datagram is where `datagram` points.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_skb_frame(ctx: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    parse_to::<true>(ctx, datagram)
}

/// See [`parse`]; the datagram is where `datagram` points.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_skb_ip(ctx: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    parse_to::<false>(ctx, datagram)
}

#[inline(always)]
fn parse_to<const ETHERNET: bool>(ctx: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    // SAFETY: null, or the place of this CPU.
    let (Some(ctx), Some(datagram)) = (NonNull::new(ctx), unsafe { datagram.as_mut() }) else {
        return to_code(Err(Reason::Malformed));
    };
    let ctx = TcContext::new(ctx);
    match parse::<ETHERNET>(&ctx, &headers(&ctx)) {
        Ok(parsed) => {
            *datagram = parsed;
            let skb = buffer(&ctx);
            datagram.flow.interface = skb.ifindex;
            if skb.vlan_present != 0 {
                datagram.flow.vlan = skb.vlan_tci as u16 & VLAN_ID;
            }
            to_code(Ok(()))
        }
        Err(reason) => to_code(Err(reason)),
    }
}

/// See [`packet_options`](crate::datagram::packet_options).
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn skb_options(ctx: *mut __sk_buff, datagram: *const Datagram) -> u32 {
    let Some(ctx) = NonNull::new(ctx) else {
        return to_code(Err(Reason::Malformed));
    };
    let ctx = TcContext::new(ctx);
    // SAFETY: null, or a datagram in the map.
    checked(unsafe { datagram.as_ref() }, |from, to, len| {
        // SAFETY: there is that room.
        unsafe { view::copy::<ROOM>(&ctx, from, to, len) }
    })
}

/// See [`quoted_flow`](crate::datagram::quoted_flow).
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn skb_quoted(
    ctx: *mut __sk_buff,
    datagram: *const Datagram,
    flow: *mut Flow,
) -> u32 {
    // SAFETY: null, or a datagram in the map and a flow on the caller's stack.
    let (Some(ctx), Some(datagram), Some(flow)) =
        (NonNull::new(ctx), unsafe { datagram.as_ref() }, unsafe {
            flow.as_mut()
        })
    else {
        return to_code(Err(Reason::Malformed));
    };
    read_quote(&headers(&TcContext::new(ctx)), datagram, flow)
}

/// What the kernel knows of a packet besides its bytes.
#[inline(always)]
pub fn buffer(ctx: &TcContext) -> &__sk_buff {
    // SAFETY: the context is valid for the program's life.
    unsafe { &*ctx.as_ptr().cast::<__sk_buff>() }
}
