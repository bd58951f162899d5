//! LAN ingress: groups that may ask for their own names only.
//!
//! In: a packet to port 53 that passes. Out: its verdict, once its names were looked up.

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    programs::XdpContext,
};
use egress_common::{
    dns::{
        policy::{Queries, may_all_be_asked, of_query, payload},
        query::read_query,
    },
    flow::Flow,
    judge::Tables as _,
    parse::{Datagram, Payload},
    verdict::{Reason, Verdict},
};

use super::{
    query::{Carrier, OfBuffer, OfFrame, length, taken},
    steps::Global,
};
use crate::{datagram::buffer, maps::QUERY, tables::Generation};

/// The verdict on a frame that passes as `alone`, both as codes. A global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_strict(
    ctx: *mut xdp_md,
    datagram: *const Datagram,
    half: u32,
    alone: u32,
) -> u32 {
    verdict(&OfFrame(XdpContext::new(ctx)), datagram, half, alone)
}

/// [`frame_strict`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_strict(
    ctx: *mut __sk_buff,
    datagram: *const Datagram,
    half: u32,
    alone: u32,
) -> u32 {
    verdict(&OfBuffer(buffer(ctx)), datagram, half, alone)
}

#[inline(always)]
fn verdict<C: Carrier>(carrier: &C, datagram: *const Datagram, half: u32, alone: u32) -> u32 {
    // SAFETY: null, or the datagram of this CPU.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    forget_question();
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let flow = Flow { ..datagram.flow };
    let generation = Generation::of_half(half);
    let alone = Verdict::from_code(alone);
    let may_ask = |group| {
        let queries = Asked {
            carrier,
            half,
            group,
        };
        let payload = payload(&carrier.headers(), datagram);
        payload.is_some_and(|payload| may_all_be_asked(&queries, flow.proto, payload))
    };
    of_query(&flow, alone, &generation, may_ask).to_code()
}

/// Nothing is refused by its name that was not read.
#[inline(always)]
fn forget_question() {
    if let Some(message) = QUERY.get_ptr_mut(0) {
        // SAFETY: this CPU's own place, and programs of LAN ingress do not interrupt each other.
        unsafe { (*message).forget_question() };
    }
}

/// What a client of a group asks.
struct Asked<'a, C> {
    carrier: &'a C,
    half: u32,
    group: u32,
}

impl<C: Carrier> Queries for Asked<'_, C> {
    #[inline(always)]
    fn length(&self, at: usize) -> Option<usize> {
        length(self.carrier, at)
    }

    #[inline(always)]
    fn may_ask(&self, query: Payload) -> bool {
        self.carrier.may_ask(query, self.half, self.group)
    }
}

/// Whether a group may ask the query of `len` bytes at offset `at` of a frame.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_may_ask(ctx: *mut xdp_md, at: u32, len: u32, half: u32, group: u32) -> u32 {
    may_ask(&OfFrame(XdpContext::new(ctx)), (at, len), half, group)
}

/// [`frame_may_ask`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_may_ask(
    ctx: *mut __sk_buff,
    at: u32,
    len: u32,
    half: u32,
    group: u32,
) -> u32 {
    may_ask(&OfBuffer(buffer(ctx)), (at, len), half, group)
}

#[inline(always)]
fn may_ask<C: Carrier>(carrier: &C, (at, len): (u32, u32), half: u32, group: u32) -> u32 {
    let payload = Payload {
        at: at as usize,
        len: len as usize,
    };
    let Some(message) = taken(carrier, payload) else {
        return 0;
    };
    if !read_query::<Global>(message) {
        message.forget_question();
        return 0;
    }
    u32::from(Generation::of_half(half).may_ask(message, group))
}
