//! LAN egress: what DNS answers on their way to a client teach.
//!
//! The answer is in the map before the client has it, so the first packet to the address passes.

mod learn;
mod lessons;
mod names;
mod steps;

use aya_ebpf::{EbpfContext as _, bindings::__sk_buff, programs::TcContext};
use egress_common::{
    dns::{
        Outcome,
        answer::{read_question, read_records},
        message::{MESSAGE_MAX, Message},
    },
    flow::{DNS_PORT, proto},
    judge::Tables as _,
    parse::{Datagram, UdpPayload, udp_payload},
    rule::mark,
};

use self::{
    learn::{Lesson, teach_all},
    names::pattern_of,
    steps::Global,
};
use crate::{
    datagram::leaving,
    events::receiver,
    maps::{LAN, MESSAGE},
    replies,
    stats::{count_dns, count_dns_of},
    tables::Generation,
    view::{self, View},
};

/// Counts a packet to a client, and learns from it if it is a DNS answer. Nothing is ever dropped here.
#[inline(always)]
pub fn lan_egress<const ETHERNET: bool>(ctx: &TcContext) {
    let Ok(datagram) = leaving::<ETHERNET>(ctx) else {
        return;
    };
    let headers = View::of_pulled(ctx);
    let to = if ETHERNET { receiver(&headers) } else { [0; 6] };
    replies::count(ctx, datagram, to);
    let flow = &datagram.flow;
    if flow.proto != proto::UDP || flow.src_port != DNS_PORT || flow.later_fragment {
        return;
    }
    let outcome = match read(ctx, &headers, datagram) {
        Ok(lesson) => teach_all(lesson, flow),
        Err(outcome) => outcome,
    };
    count_dns(outcome);
}

#[inline(always)]
fn read(ctx: &TcContext, headers: &View, datagram: &Datagram) -> Result<Lesson, Outcome> {
    let generation = Generation::current().ok_or(Outcome::NoPolicy)?;
    if !is_trusted(ctx, datagram, generation) {
        return Err(Outcome::ResolverNotTrusted);
    }
    let payload = udp_payload(headers, datagram).ok_or(Outcome::Malformed)?;
    let message = take_message(ctx, payload)?;
    read_question::<Global>(message)?;
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
