//! LAN ingress behind the judge: DNS over TCP to a trusted resolver comes to the proxy on this machine.
//!
//! The first packet of a connection is given to the listener, and packets of connections that the listener
//! took are marked, so that a policy rule delivers them here. Without a listener nothing is: then the
//! connection goes to the resolver.

use core::{ffi::c_void, ptr};

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, BPF_F_CURRENT_NETNS, BPF_TCP_LISTEN, bpf_sock_tuple},
    helpers::{
        bpf_map_lookup_elem, bpf_sk_assign, bpf_sk_release, bpf_skb_load_bytes, bpf_skc_lookup_tcp,
        bpf_tcp_check_syncookie,
    },
    programs::TcContext,
};
use egress_common::{
    divert::{MARK, Pair, Turn, listener},
    flow::{Addr, DNS_PORT, Flow, proto},
    packet::{Packet as _, Wire},
    parse::{Datagram, Network},
    rule::mark,
};

use crate::{
    datagram::parsed,
    maps::{DIRECT, GIVEN, LISTENERS},
    tables::{Generation, now_ms},
    tc::Buffer,
    view::View,
};

/// Bytes of an Ethernet header; the kernel has taken an outer tag off.
const ETHERNET_BYTES: usize = 14;

/// Marks a packet that is for the proxy.
#[inline(always)]
pub fn lan_divert<const ETHERNET: bool>(ctx: &TcContext) {
    if !may_be_for_resolver::<ETHERNET>(ctx) {
        return;
    }
    let Ok(datagram) = parsed(&Buffer::<ETHERNET>(ctx)) else {
        return;
    };
    let flow = &datagram.flow;
    if flow.proto != proto::TCP || flow.dst_port != DNS_PORT || flow.later_fragment {
        return;
    }
    if is_trusted(&flow.dst) && is_taken(ctx, datagram) {
        ctx.set_mark(MARK);
    }
}

/// Protocol and ports of an IPv4 packet, where it has no options.
#[repr(C)]
struct First4 {
    version_and_words: u8,
    rest: [u8; 8],
    proto: u8,
    addresses: [u8; 10],
    ports: [u8; 4],
}

/// Protocol and ports of an IPv6 packet, where it has no extension headers.
#[repr(C)]
struct First6 {
    rest: [u8; 6],
    proto: u8,
    addresses: [u8; 33],
    ports: [u8; 4],
}

// SAFETY: repr(C) of bytes.
unsafe impl Wire for First4 {}
// SAFETY: repr(C) of bytes.
unsafe impl Wire for First6 {}

/// A look at what stands where it almost always does, so that few packets are parsed once more. Nobody puts
/// IPv6 extension headers before TCP to a resolver: such a packet goes on to it.
#[inline(always)]
fn may_be_for_resolver<const ETHERNET: bool>(ctx: &TcContext) -> bool {
    const IPV4_WITHOUT_OPTIONS: u8 = 0x45;

    // SAFETY: the context is valid for the program's life.
    let protocol = unsafe { (*ctx.as_ptr().cast::<__sk_buff>()).protocol };
    let network = Network::bare(u16::from_be(protocol as u16));
    let at = if ETHERNET { ETHERNET_BYTES } else { 0 };
    let packet = View::of_pulled(ctx);
    if network.is_ipv4() {
        let Some(first) = packet.view::<First4>(at) else {
            return true;
        };
        return first.proto == proto::TCP
            && (first.version_and_words != IPV4_WITHOUT_OPTIONS || is_dns(first.ports));
    }
    if network.is_ipv6() {
        let Some(first) = packet.view::<First6>(at) else {
            return true;
        };
        return first.proto == proto::TCP && is_dns(first.ports);
    }
    // A tag behind the outer one.
    ETHERNET && network.is_tagged()
}

#[inline(always)]
fn is_dns([_, _, high, low]: [u8; 4]) -> bool {
    u16::from_be_bytes([high, low]) == DNS_PORT
}

#[inline(always)]
fn is_trusted(resolver: &Addr) -> bool {
    match Generation::current() {
        Some(generation) => generation
            .covers(resolver)
            .is(mark::RESOLVER | mark::LOCAL_RESOLVER),
        None => false,
    }
}

/// Whether a packet belongs to a connection that is delivered here, or begins one now.
#[inline(always)]
fn is_taken(ctx: &TcContext, datagram: &Datagram) -> bool {
    let flow = &datagram.flow;
    if has_socket(ctx, flow) {
        return true;
    }
    if flow.opens {
        return !is_direct(&flow.dst) && with_listener(ctx, flow, |_| is_its_turn(flow));
    }
    with_listener(ctx, flow, |listener| is_cookie(ctx, datagram, listener))
}

/// Whether this machine has the connection. Only a listener of the proxy takes one to another machine's
/// address; and what is for this machine is delivered here with the mark or without.
#[inline(always)]
fn has_socket(ctx: &TcContext, flow: &Flow) -> bool {
    let [s0, s1, s2, s3] = flow.src.whole().words();
    let [d0, d1, d2, d3] = flow.dst.whole().words();
    let ports = u32::from(flow.src_port.to_be()) | u32::from(flow.dst_port.to_be()) << 16;
    if flow.dst.is_v4() {
        holds_connection(ctx, &mut [s3, d3, ports])
    } else {
        holds_connection(ctx, &mut [s0, s1, s2, s3, d0, d1, d2, d3, ports])
    }
}

/// Looks up addresses and ports as `struct bpf_sock_tuple` (linux/bpf.h) has them.
#[inline(always)]
fn holds_connection<const WORDS: usize>(ctx: &TcContext, tuple: &mut [u32; WORDS]) -> bool {
    // SAFETY: the tuple is one of IPv4 or IPv6 by its size; what was found is released at once.
    unsafe {
        let found = bpf_skc_lookup_tcp(
            ctx.as_ptr(),
            ptr::from_mut(tuple).cast::<bpf_sock_tuple>(),
            (WORDS * size_of::<u32>()) as u32,
            i64::from(BPF_F_CURRENT_NETNS) as u64,
            0,
        );
        if found.is_null() {
            return false;
        }
        let state = (*found).state;
        bpf_sk_release(found.cast());
        state != BPF_TCP_LISTEN
    }
}

/// Whether the resolver is to be left alone for now, since the proxy does not reach it.
#[inline(always)]
fn is_direct(resolver: &Addr) -> bool {
    match DIRECT.get_ptr(resolver) {
        // SAFETY: one aligned word of an entry that stays readable for the program's life.
        Some(until) => unsafe { ptr::read_volatile(until) > now_ms() },
        None => false,
    }
}

/// Whether the listener gets this connection. What it is given and does not get, because a firewall of this
/// machine lets nothing in, goes to the resolver when the client tries again.
#[inline(always)]
fn is_its_turn(flow: &Flow) -> bool {
    let pair = Pair {
        client: flow.src.whole(),
        resolver: flow.dst.whole(),
    };
    // SAFETY: one aligned word of an entry that stays readable for the program's life.
    let given_ms = GIVEN
        .get_ptr(&pair)
        .map(|given_ms| unsafe { ptr::read_volatile(given_ms) });
    let now_ms = now_ms();
    match Turn::of(given_ms, now_ms) {
        Turn::Direct => false,
        Turn::Given => true,
        // Without a place it is not known whether the listener gets it.
        Turn::GivenAnew => GIVEN.insert(&pair, &now_ms, 0).is_ok(),
    }
}

/// Gives a packet to the listener of its family, if there is one and `belongs` says so.
#[inline(always)]
fn with_listener(ctx: &TcContext, flow: &Flow, belongs: impl FnOnce(*mut c_void) -> bool) -> bool {
    let index = listener(flow.dst.is_v4());
    let listeners = ptr::from_ref(&LISTENERS).cast_mut().cast::<c_void>();
    // SAFETY: the key is the map's; the reference that the lookup takes is released on every way.
    unsafe {
        let socket = bpf_map_lookup_elem(listeners, (&raw const index).cast());
        if socket.is_null() {
            return false;
        }
        let given = belongs(socket) && bpf_sk_assign(ctx.as_ptr(), socket, 0) == 0;
        bpf_sk_release(socket);
        given
    }
}

/// Whether a packet brings back the cookie of a listener that was flooded and remembers nothing.
#[inline(always)]
fn is_cookie(ctx: &TcContext, datagram: &Datagram, listener: *mut c_void) -> bool {
    /// Bytes of an IPv6 header, and of an IPv4 and a TCP header without options.
    const IP: u32 = 40;
    const TCP: u32 = 20;

    // Whole words: the verifier refuses others on the stack.
    let mut ip = [0_u64; 5];
    let mut tcp = [0_u64; 3];
    let (l3, l4) = (datagram.l3 as u32, datagram.l4 as u32);
    let (ip, tcp) = (&raw mut ip, &raw mut tcp);
    // SAFETY: both have room for what is loaded; the listener is a socket that is held.
    unsafe {
        bpf_skb_load_bytes(ctx.as_ptr(), l3, ip.cast(), IP) == 0
            && bpf_skb_load_bytes(ctx.as_ptr(), l4, tcp.cast(), TCP) == 0
            && bpf_tcp_check_syncookie(listener, ip.cast(), IP, tcp.cast(), TCP) == 0
    }
}
