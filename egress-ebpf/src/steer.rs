//! LAN ingress behind XDP: what was decided about a packet is written into it.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, BPF_F_RECOMPUTE_CSUM},
    programs::TcContext,
};
use egress_common::{
    packet::{Packet as _, Wire},
    parse::Datagram,
    steer::{Note, Steering, with_dscp},
};

use crate::{
    skb::{headers, parsed},
    tables::Generation,
    tc::judged,
    view::note,
};

/// Steers a packet as the note of the XDP program says. Where no note came along, as from drivers without
/// room for one, the packet is judged once more; it is neither counted nor remembered again.
#[inline(always)]
pub fn lan_steer(ctx: &TcContext) {
    match note(ctx).and_then(Note::steering) {
        Some(Steering::NONE) => {}
        Some(steering) => {
            if let Ok(datagram) = parsed::<true>(ctx) {
                apply(ctx, datagram, steering);
            }
        }
        None => judge_again(ctx),
    }
}

#[inline(always)]
fn judge_again(ctx: &TcContext) {
    let Some(generation) = Generation::current() else {
        return;
    };
    let (verdict, datagram) = judged::<true>(ctx, generation, 0);
    if let (Some(steering), Some(datagram)) = (generation.steering(verdict), datagram) {
        apply(ctx, datagram, steering);
    }
}

/// Writes mark, priority and DSCP of a packet.
#[inline(always)]
pub fn apply(ctx: &TcContext, datagram: &Datagram, steering: Steering) {
    if let Some(dscp) = steering.dscp() {
        set_dscp(ctx, datagram, dscp);
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
fn set_dscp(ctx: &TcContext, datagram: &Datagram, dscp: u8) {
    /// Offset of the checksum in an IPv4 header.
    const CHECKSUM: usize = 10;

    let at = datagram.l3;
    let headers = headers(ctx);
    let Some(First([first, second])) = headers.view::<First>(at) else {
        return;
    };
    let old = [*first, *second];
    // An address of IPv4 stands in no IPv6 header that was parsed.
    let is_ipv4 = datagram.flow.src.is_v4();
    let new = if is_ipv4 {
        [*first, with_dscp(*second, dscp)]
    } else {
        // The traffic class stands across the nibbles of both (RFC 8200 section 3).
        let class = with_dscp(*first << 4 | *second >> 4, dscp);
        [*first & 0xf0 | class >> 4, class << 4 | *second & 0x0f]
    };
    if old == new {
        return;
    }
    let word = |bytes: [u8; 2]| u64::from(u16::from_ne_bytes(bytes));
    // Where the device summed up the packet, the sum of an IPv4 header stays as it is; that of IPv6 changes.
    let recompute = if is_ipv4 {
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
