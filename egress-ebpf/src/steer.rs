//! LAN ingress behind XDP: what was decided about a packet is written into it.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM},
    programs::TcContext,
};
use egress_common::{
    packet::{Packet as _, Wire},
    parse::Network,
    steer::{Note, Steering, with_dscp},
};

use crate::{
    datagram::{decide, parsed},
    tables::Generation,
    tc::{Buffer, HEADERS_BYTES, network},
    view::{View, note},
};

/// Steers a packet as the note of the XDP program says. Where no note came along, as from drivers without
/// room for one, the packet is judged once more; it is neither counted nor remembered again. A fragment that
/// is judged once more repeats what was seen of its datagram, and leaves as it came.
#[inline(always)]
pub fn lan_steer(ctx: &TcContext) {
    let noted = note(ctx).and_then(Note::steering);
    if let Some(steering) = noted
        && steering == Steering::NONE
    {
        return;
    }
    let Some(steering) = noted.or_else(|| judged_again(ctx)) else {
        return;
    };
    let headers = View::of_headers::<HEADERS_BYTES>(ctx);
    if let Ok(network) = network::<true>(ctx, &headers) {
        apply(ctx, &headers, network, steering);
    }
}

#[inline(always)]
fn judged_again(ctx: &TcContext) -> Option<Steering> {
    let generation = Generation::current()?;
    let hook = Buffer::<true>(ctx);
    generation.steering(decide(&hook, parsed(&hook), generation, 0))
}

/// Writes mark, priority and DSCP of a packet.
#[inline(always)]
pub fn apply(ctx: &TcContext, headers: &View, network: Network, steering: Steering) {
    if let Some(dscp) = steering.dscp() {
        set_dscp(ctx, headers, network, dscp);
    }
    let skb = ctx.as_ptr().cast::<__sk_buff>();
    // SAFETY: the context is valid for the program's life, and these fields of it may be written.
    unsafe {
        if steering.mask != 0 {
            (*skb).mark = steering.mark_of((*skb).mark);
        }
        if let Some(priority) = steering.priority() {
            (*skb).priority = priority;
        }
    }
}

/// The first two bytes of an IP header.
#[repr(C)]
struct First([u8; 2]);

// SAFETY: repr(C) of bytes.
unsafe impl Wire for First {}

#[inline(always)]
fn set_dscp(ctx: &TcContext, headers: &View, network: Network, dscp: u8) {
    /// Offset of the checksum in an IPv4 header.
    const CHECKSUM: usize = 10;

    let at = network.at();
    let Some(First([first, second])) = headers.view::<First>(at) else {
        return;
    };
    let old = [*first, *second];
    let new = if network.is_ipv4() {
        [*first, with_dscp(*second, dscp)]
    } else if network.is_ipv6() {
        // The traffic class stands across the nibbles of both (RFC 8200 section 3).
        let class = with_dscp(*first << 4 | *second >> 4, dscp);
        [*first & 0xf0 | class >> 4, class << 4 | *second & 0x0f]
    } else {
        return;
    };
    if old == new {
        return;
    }
    let word = |bytes: [u8; 2]| u64::from(u16::from_ne_bytes(bytes));
    // Where the device summed up the packet, the sum of an IPv4 header stays as it is; that of IPv6 changes.
    let recompute = if network.is_ipv4() {
        if ctx
            .l3_csum_replace(at + CHECKSUM, word(old), word(new), 2)
            .is_err()
        {
            return;
        }
        0
    } else {
        u64::from(BPF_F_RECOMPUTE_CSUM)
    };
    // A packet that cannot be written leaves as it came.
    let _: Result<(), _> = ctx.store(at, &new, recompute);
}
