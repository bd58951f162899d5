//! LAN egress: what DNS answers on their way to a client teach. LAN ingress: what clients ask for.
//!
//! The answer is in the map before the client has it, so the first packet to the address passes.

mod added;
mod asked;
mod learn;
mod lessons;
mod names;
pub mod query;
mod segment;
mod steps;
pub mod strict;
pub mod told;

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use egress_common::{
    dns::{
        Outcome,
        answer::{read_question, read_records},
        message::{MESSAGE_MAX, Message},
    },
    flow::{DNS_PORT, Flow, proto},
    parse::{Datagram, Payload, udp_payload},
    rule::mark,
};

pub use self::names::pattern_of;
use self::{
    learn::{Lesson, teach_all},
    segment::of_segment,
    steps::Global,
};
use crate::{
    datagram::{buffer, leaving},
    log,
    maps::{LAN, MESSAGE},
    replies,
    stats::{count_dns, count_dns_of},
    tables::{Generation, seed},
    view::{self, View},
};

/// Counts a packet to a client, and learns from it if it holds DNS answers. Nothing is ever dropped here.
#[inline(always)]
pub fn lan_egress<const ETHERNET: bool>(ctx: &TcContext) {
    let Ok(datagram) = leaving::<ETHERNET>(ctx) else {
        return;
    };
    let headers = View::of_pulled(ctx);
    replies::count::<ETHERNET>(ctx, datagram);
    let flow = &datagram.flow;
    if flow.src_port != DNS_PORT || flow.later_fragment {
        return;
    }
    match flow.proto {
        proto::UDP => {
            if let Err(outcome) = of_datagram(ctx, &headers, datagram) {
                count_dns(outcome);
                log::untaught(flow, outcome);
            }
        }
        proto::TCP => of_segment(ctx, &headers, datagram),
        _ => {}
    }
}

#[inline(always)]
fn of_datagram(ctx: &TcContext, headers: &View, datagram: &Datagram) -> Result<(), Outcome> {
    let generation = trusting(ctx, datagram)?;
    if datagram.piece.is_fragment() {
        return Err(Outcome::Fragmented);
    }
    let payload = udp_payload(headers, datagram).ok_or(Outcome::Malformed)?;
    learn(ctx, &datagram.flow, payload, generation);
    Ok(())
}

/// The generation in force, if it trusts the sender. Answers count that were made on this machine from one of
/// its addresses, or forwarded from a configured resolver. What comes in from a LAN interface is no answer of
/// a resolver: a client forges it.
///
/// # Errors
/// It does not, or none is in force.
#[inline(always)]
fn trusting(ctx: &TcContext, datagram: &Datagram) -> Result<Generation, Outcome> {
    let generation = Generation::current().ok_or(Outcome::NoPolicy)?;
    let from = came_in_by(ctx);
    let wanted = if from == 0 {
        mark::LOCAL_RESOLVER
    } else if LAN.get_ptr(&from).is_some() {
        return Err(Outcome::ResolverNotTrusted);
    } else {
        mark::RESOLVER
    };
    match generation.covers(&datagram.flow.src).is(wanted) {
        true => Ok(generation),
        false => Err(Outcome::ResolverNotTrusted),
    }
}

/// Index of the interface that a packet came in by; 0 where this machine made it.
#[inline(always)]
fn came_in_by(ctx: &TcContext) -> u32 {
    // SAFETY: the context is valid for the program's life.
    unsafe { (*ctx.as_ptr().cast::<__sk_buff>()).ingress_ifindex }
}

/// Whether this machine made a packet.
#[inline(always)]
fn is_made_here(ctx: &TcContext) -> bool {
    came_in_by(ctx) == 0
}

/// Learns from a message, and counts it.
#[inline(always)]
fn learn(ctx: &TcContext, flow: &Flow, message: Payload, generation: Generation) {
    let (at, len) = (message.at as u32, message.len as u32);
    dns_learn(ctx.as_ptr().cast(), flow, at, len, generation.half());
}

/// [`learn`] as a global function: verified once, however many messages a packet holds.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_learn(
    ctx: *mut __sk_buff,
    flow: *const Flow,
    at: u32,
    len: u32,
    half: u32,
) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return 0;
    };
    let payload = Payload {
        at: at as usize,
        len: len as usize,
    };
    let generation = Generation::of_half(half);
    count_dns(match read(&buffer(ctx), flow, payload, generation) {
        Ok(lesson) => teach_all(lesson, flow),
        Err(outcome) => {
            log::untaught(flow, outcome);
            outcome
        }
    });
    0
}

#[inline(always)]
fn read(
    ctx: &TcContext,
    flow: &Flow,
    payload: Payload,
    generation: Generation,
) -> Result<Lesson, Outcome> {
    let message = take_message(ctx, payload)?;
    message.set_client(flow.dst);
    read_question::<Global>(message)?;
    asked::take(flow, message)?;
    let pattern = pattern_of(message, generation);
    let read = read_records::<Global>(message);
    count_unlinked(message);
    read?;
    Ok(Lesson {
        message,
        generation,
        pattern,
    })
}

/// Counts the addresses that are dropped because the question does not lead to their owners.
#[inline(always)]
fn count_unlinked(message: &Message) {
    let unlinked = message.unlinked();
    if unlinked != 0 {
        count_dns_of(Outcome::UnlinkedOwner, unlinked.into());
    }
}

/// Copies the message to where its steps can read it.
#[inline(always)]
fn take_message(ctx: &TcContext, payload: Payload) -> Result<&'static mut Message, Outcome> {
    if payload.len > MESSAGE_MAX {
        return Err(Outcome::TooLong);
    }
    let message = MESSAGE.get_ptr_mut(0).ok_or(Outcome::NoPolicy)?;
    // SAFETY: this CPU's own place, and programs of one hook do not interrupt each other.
    let message = unsafe { &mut *message };
    let len = payload.len as u32;
    // SAFETY: the buffer has room for MESSAGE_MAX bytes.
    if !unsafe { view::copy::<{ MESSAGE_MAX as u32 }>(ctx, payload.at, message.buffer(), len) } {
        return Err(Outcome::CutOff);
    }
    message.set_len(len);
    message.set_seed(seed());
    Ok(message)
}
