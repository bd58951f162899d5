//! Kernel programs of the bench: floors that the filter is compared with, and what feeds both.
//!
//! `BPF_PROG_TEST_RUN` repeats a program on one frame. Here [`vary`](vary::vary) comes first: it writes the
//! next value into the frame, then calls the program that is measured, whichever it is, unchanged.
#![no_std]
#![no_main]

mod headers;
mod lpm;
mod vary;

use aya_ebpf::{
    bindings::{
        TC_ACT_SHOT, TC_ACT_UNSPEC,
        xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS},
    },
    helpers::bpf_redirect,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// Varies a frame, and calls the measured program of XDP.
#[xdp(frags)]
fn vary_frame(ctx: XdpContext) -> u32 {
    if vary::vary(ctx.data(), ctx.data_end()).is_some() {
        vary::measured(&ctx);
    }
    // Nothing is measured.
    XDP_ABORTED
}

/// Varies a packet, and calls the measured program of TC.
#[classifier]
fn vary_packet(ctx: TcContext) -> i32 {
    if vary::vary(ctx.data(), ctx.data_end()).is_some() {
        vary::measured_tc(&ctx);
    }
    TC_ACT_SHOT
}

/// The least that a program of XDP can do.
#[xdp(frags)]
fn return_only(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// The least that a program of TC can do.
#[classifier]
fn return_only_tc(_ctx: TcContext) -> i32 {
    TC_ACT_UNSPEC
}

/// Reads addresses and ports, and looks nothing up.
#[xdp(frags)]
fn parse_only(ctx: XdpContext) -> u32 {
    match headers::parse(&ctx) {
        // Whatever was read is used, or nothing would be read.
        Some(flow) if flow.digest() != 0 => XDP_PASS,
        _ => XDP_DROP,
    }
}

/// What anyone would write: reads addresses and ports, and looks the destination up in an LPM_TRIE.
#[xdp(frags)]
fn plain_lpm(ctx: XdpContext) -> u32 {
    match headers::parse(&ctx) {
        Some(flow) if flow.digest() != 0 && lpm::lists(flow.destination) => XDP_PASS,
        _ => XDP_DROP,
    }
}

/// Writes the next headers into a frame, and sends it out of an interface: the source of traffic.
#[xdp]
fn generate(ctx: XdpContext) -> u32 {
    if vary::vary(ctx.data(), ctx.data_end()).is_none() {
        return XDP_ABORTED;
    }
    // SAFETY: a call of the kernel without pointers.
    unsafe { bpf_redirect(vary::out(), 0) as u32 }
}

/// Drops UDP: where traffic ends, and the floor of all that drop.
#[xdp]
fn drop_udp(ctx: XdpContext) -> u32 {
    match headers::is_udp(&ctx) {
        Some(true) => XDP_DROP,
        _ => XDP_PASS,
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // No code that can panic passes the verifier, which refuses this loop.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
