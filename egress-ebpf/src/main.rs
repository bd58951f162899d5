//! Kernel programs of the egress filter: they judge what clients send, learn from DNS answers, and steer
//! what leaves.
#![no_std]
#![no_main]
#![feature(asm_experimental_arch, core_intrinsics)]
#![expect(
    internal_features,
    reason = "the BPF target has no read-modify-write methods on AtomicU64; the intrinsics compile"
)]

mod bypass;
mod cache;
mod datagram;
mod destination;
mod divert;
mod dns;
mod events;
mod forward;
mod fragments;
mod ingress;
mod log;
mod maps;
mod missed;
mod refuse;
mod replies;
mod stats;
mod steer;
mod tables;
mod tc;
mod view;
mod word;
mod xdp;

use aya_ebpf::{
    bindings::TC_ACT_UNSPEC,
    macros::{classifier, xdp},
    programs::{TcContext, XdpContext},
};

/// LAN ingress: every packet from a client; frames in several buffers too.
#[xdp(frags)]
fn lan_ingress(ctx: XdpContext) -> u32 {
    xdp::lan_ingress::<true>(&ctx)
}

/// LAN ingress behind the driver, where the kernel makes one buffer of a frame. For a program that takes
/// several it copies the frame from Linux 6.9 on (`skb_pp_cow_data`, net/core/skbuff.c), and forgets how
/// long the Ethernet header is, so that programs at TC ingress see a packet without one.
#[xdp]
fn lan_ingress_generic(ctx: XdpContext) -> u32 {
    xdp::lan_ingress::<false>(&ctx)
}

/// What LAN ingress would make of a packet. It is attached nowhere: `BPF_PROG_TEST_RUN` asks it.
#[xdp(frags)]
fn lan_ask(ctx: XdpContext) -> u32 {
    xdp::ask(&ctx)
}

/// LAN egress: every packet to a client; the next program of the hook decides about it.
#[classifier]
fn lan_egress(ctx: TcContext) -> i32 {
    dns::lan_egress::<true>(&ctx);
    TC_ACT_UNSPEC
}

/// LAN egress of a device without a link layer.
#[classifier]
fn lan_egress_ip(ctx: TcContext) -> i32 {
    dns::lan_egress::<false>(&ctx);
    TC_ACT_UNSPEC
}

/// LAN ingress where there is no XDP: every packet from a client.
#[classifier]
fn lan_ingress_tc(ctx: TcContext) -> i32 {
    tc::lan_ingress::<true>(&ctx)
}

/// LAN ingress of a device without a link layer.
#[classifier]
fn lan_ingress_ip(ctx: TcContext) -> i32 {
    tc::lan_ingress::<false>(&ctx)
}

/// LAN ingress behind XDP, where the policy steers: every packet that passed.
#[classifier]
fn lan_steer(ctx: TcContext) -> i32 {
    steer::lan_steer(&ctx);
    TC_ACT_UNSPEC
}

/// LAN ingress behind all others, where DNS over TCP goes through the proxy on this machine.
#[classifier]
fn lan_divert(ctx: TcContext) -> i32 {
    divert::lan_divert::<true>(&ctx);
    TC_ACT_UNSPEC
}

/// The same for a device without a link layer.
#[classifier]
fn lan_divert_ip(ctx: TcContext) -> i32 {
    divert::lan_divert::<false>(&ctx);
    TC_ACT_UNSPEC
}

/// What is to be learned from an answer that user space relays. It is attached nowhere:
/// `BPF_PROG_TEST_RUN` hands the answer over, and gets the number of its outcome.
#[classifier]
fn lan_teach(ctx: TcContext) -> i32 {
    dns::told::teach(&ctx) as i32
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // No code that can panic passes the verifier, which refuses this loop.
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
