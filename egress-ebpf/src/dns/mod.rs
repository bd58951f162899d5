//! LAN egress: what DNS answers on their way to a client teach.
//!
//! The answer is in the map before the client has it, so the first packet to the address passes.

mod learn;
mod lessons;
mod steps;

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use egress_common::{
    dns::{
        Outcome,
        answer::{read_question, read_records},
        message::{MESSAGE_MAX, Message},
    },
    flow::{DNS_PORT, Flow, proto},
    judge::Tables as _,
    parse::{Datagram, UdpPayload, link, parse_network, udp_payload},
    rule::mark,
};

use self::{
    learn::{Lesson, teach_all},
    steps::Global,
};
use crate::{
    maps::{LAN, MESSAGE},
    stats::count_dns,
    tables::Generation,
    tc::network,
    view,
};

/// Ethernet, IPv6 with some options, UDP.
const HEADERS_BYTES: usize = 128;

/// Reads a DNS answer and learns from it; other packets are left alone. Nothing is ever dropped here.
#[inline(always)]
pub fn lan_egress<const ETHERNET: bool>(ctx: &TcContext) {
    let headers = view::View::of_headers::<HEADERS_BYTES>(ctx);
    // Which VLAN it goes to does not matter.
    let Ok(network) = (match ETHERNET {
        true => link(&headers),
        false => network::<false>(ctx, &headers),
    }) else {
        return;
    };
    let Ok(datagram) = parse_network(&headers, network) else {
        return;
    };
    let flow = &datagram.flow;
    if flow.proto != proto::UDP || flow.src_port != DNS_PORT || flow.later_fragment {
        return;
    }
    let outcome = match read(ctx, &headers, &datagram) {
        Ok(lesson) => taught(lesson, flow),
        Err(outcome) => outcome,
    };
    count_dns(outcome);
}

/// Learns from a whole answer, and tells user space of it.
#[inline(always)]
fn taught(mut lesson: Lesson, flow: &Flow) -> Outcome {
    let pattern = lesson.pattern.unwrap_or(0);
    lessons::begin(lesson.message, flow, lesson.generation, pattern);
    let outcome = teach_all(&mut lesson);
    lessons::tell(lesson.message, outcome);
    outcome
}

#[inline(always)]
fn read(ctx: &TcContext, headers: &view::View, datagram: &Datagram) -> Result<Lesson, Outcome> {
    let generation = Generation::current().ok_or(Outcome::NoPolicy)?;
    if !is_trusted(ctx, datagram, generation) {
        return Err(Outcome::ResolverNotTrusted);
    }
    let payload = udp_payload(headers, datagram).ok_or(Outcome::Malformed)?;
    let message = take_message(ctx, payload)?;
    read_question::<Global>(message)?;
    let pattern = match message.name_key() {
        // SAFETY: the key is a whole one.
        Some(key) => unsafe { generation.pattern(key) },
        None => None,
    };
    read_records::<Global>(message)?;
    Ok(Lesson {
        message,
        generation,
        pattern,
    })
}

/// Whether answers from there teach: made on this machine from one of its addresses, or forwarded
/// from a configured resolver. What comes in from a LAN interface is no answer of a resolver: a
/// client forges it.
#[inline(always)]
fn is_trusted(ctx: &TcContext, datagram: &Datagram, generation: Generation) -> bool {
    // SAFETY: the context is valid for the program's life.
    let from = unsafe { (*ctx.as_ptr().cast::<__sk_buff>()).ingress_ifindex };
    let wanted = if from == 0 {
        mark::LOCAL_RESOLVER
    } else if LAN.get_ptr(&from).is_some() {
        return false;
    } else {
        mark::RESOLVER
    };
    generation.destination(&datagram.flow.src).is(wanted)
}

/// Copies the message to where its steps can read it.
#[inline(always)]
fn take_message(ctx: &TcContext, payload: UdpPayload) -> Result<&'static mut Message, Outcome> {
    if payload.len > MESSAGE_MAX {
        return Err(Outcome::TooLong);
    }
    let message = MESSAGE.get_ptr_mut(0).ok_or(Outcome::NoPolicy)?;
    // SAFETY: this CPU's own place, and programs of one hook do not interrupt each other.
    let message = unsafe { &mut *message };
    let len = payload.len as u32;
    // SAFETY: the buffer has room for MESSAGE_MAX bytes.
    if !unsafe { view::copy::<{ MESSAGE_MAX as u32 }>(ctx, payload.at, message.buffer(), len) } {
        return Err(Outcome::Malformed);
    }
    message.set_len(len);
    Ok(message)
}
