//! The lines: each in a global function of its own, verified once, whose stack is needed by nobody else meanwhile.

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    programs::XdpContext,
};
use aya_log_ebpf::info;
use egress_common::{
    flow::{Addr, Flow},
    packet::{Packet as _, Wire},
    verdict::Reason,
};

use super::{
    pace::{Kind, turn},
    words,
};
use crate::{
    datagram::{buffer, last_parsed},
    tc::HEADERS_BYTES,
    view::View,
};

/// What user space tells these lines by.
const TARGET: &str = "egress_ebpf";

/// In place of a reason where a packet was parsed.
pub const PARSED: u32 = u32::MAX;

/// A frame, and why it cannot be parsed. What is said of it is read here, off the stack of the programs.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_unparsed(ctx: *mut xdp_md, reason: u32) -> u32 {
    if !is_refused(reason) {
        return 0;
    }
    let ctx = XdpContext::new(ctx);
    let frame = View::of_frame(&ctx);
    let interface = ctx.ingress_ifindex() as u32;
    say_unparsed(reason, frame.frame_len() as u32, interface, link(&frame))
}

/// [`frame_unparsed`] for a socket buffer, with an Ethernet header or without.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_unparsed(ctx: *mut __sk_buff, reason: u32, is_ethernet: u32) -> u32 {
    if !is_refused(reason) {
        return 0;
    }
    // SAFETY: the context is valid for the program's life.
    let interface = unsafe { (*ctx).ifindex };
    let ctx = buffer(ctx);
    let link = match is_ethernet {
        0 => 0,
        _ => link(&View::of_headers::<HEADERS_BYTES>(&ctx)),
    };
    say_unparsed(reason, ctx.len(), interface, link)
}

#[inline(always)]
fn is_refused(reason: u32) -> bool {
    reason != PARSED && !Reason::from_number(reason as u8).passes()
}

/// The machine that a frame says it comes from, and its EtherType: six bytes and two.
#[inline(always)]
fn link(frame: &View) -> u64 {
    /// What stands behind the machine that a frame goes to.
    #[repr(C)]
    struct Link([u8; 6], [u8; 8]);
    // SAFETY: repr(C) of bytes.
    unsafe impl Wire for Link {}

    let link = frame.view::<Link>(0);
    link.map_or(0, |Link(_, bytes)| u64::from_be_bytes(*bytes))
}

/// A packet of `bytes` bytes that came in by an interface; `link` is as [`link`] tells it, 0 where there is none.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn say_unparsed(reason: u32, bytes: u32, interface: u32, link: u64) -> u32 {
    if let Some(left_out) = turn(Kind::Unparsed) {
        let [a, b, c, d, e, f, high, low] = link.to_be_bytes();
        info!(
            &(),
            target: TARGET,
            "packet of {} bytes from {:mac} on interface {}, EtherType {:x}, cannot be parsed ({} more before): {}",
            bytes,
            [a, b, c, d, e, f],
            interface,
            u16::from_be_bytes([high, low]),
            left_out,
            words::reason(reason)
        );
    }
    0
}

/// A DNS message that came in this flow.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn say_untaught(flow: *const Flow, outcome: u32) -> u32 {
    // SAFETY: null, or the flow of this CPU's datagram.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return 0;
    };
    if let Some(left_out) = turn(Kind::Untaught) {
        info!(
            &(),
            target: TARGET,
            "DNS message from {:i} to {:i} teaches nothing ({} more before): {}",
            octets(&flow.src),
            octets(&flow.dst),
            left_out,
            words::outcome(outcome)
        );
    }
    0
}

/// An address of a DNS message.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn say_address_untaught(outcome: u32) -> u32 {
    if let Some(left_out) = turn(Kind::Address) {
        info!(
            &(),
            target: TARGET,
            "address of a DNS answer is not learned as it says ({} more before): {}",
            left_out,
            words::outcome(outcome)
        );
    }
    0
}

/// A query that came in this flow.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn say_unnoted(flow: *const Flow, outcome: u32) -> u32 {
    // SAFETY: null, or the flow of this CPU's datagram.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return 0;
    };
    if let Some(left_out) = turn(Kind::Query) {
        info!(
            &(),
            target: TARGET,
            "DNS query from {:i} to {:i}, whose answer will teach nothing ({} more before): {}",
            octets(&flow.src),
            octets(&flow.dst),
            left_out,
            words::outcome(outcome)
        );
    }
    0
}

/// The packet that was parsed last at LAN ingress.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn say_given_up(fate: u32) -> u32 {
    let Some(flow) = last_parsed().map(|datagram| &datagram.flow) else {
        return 0;
    };
    if let Some(left_out) = turn(Kind::GivenUp) {
        info!(
            &(),
            target: TARGET,
            "packet from {:i} to {:i} takes the stack ({} more before): {}",
            octets(&flow.src),
            octets(&flow.dst),
            left_out,
            words::fate(fate)
        );
    }
    0
}

/// As aya-log takes addresses.
#[inline(always)]
fn octets(addr: &Addr) -> [u8; 16] {
    // SAFETY: both are sixteen bytes of which all values are valid.
    unsafe { core::mem::transmute::<[u32; 4], [u8; 16]>(addr.whole().words()) }
}
