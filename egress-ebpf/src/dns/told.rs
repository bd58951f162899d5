//! What an answer teaches that the proxy for DNS over TCP relays.
//!
//! User space has matched it with the client's query, and hands it over as the UDP datagram in which the
//! resolver would have sent it. What it teaches is the same as if it had come so.

use aya_ebpf::programs::TcContext;
use egress_common::{
    dns::{
        Outcome,
        answer::{read_question, read_records},
        message::{MESSAGE_MAX, Message},
    },
    parse::{Datagram, udp_payload},
    rule::mark,
};

use super::{
    count_unlinked,
    learn::{Lesson, teach_all},
    names::pattern_of,
    steps::Global,
};
use crate::{
    datagram::told,
    log,
    maps::TOLD,
    stats::count_dns,
    tables::{Generation, seed},
    view::{self, View},
};

/// Learns from the answer in a frame.
#[inline(always)]
pub fn teach(ctx: &TcContext) -> Outcome {
    let outcome = match taught(ctx) {
        Ok(outcome) | Err(outcome) => outcome,
    };
    count_dns(outcome);
    outcome
}

#[inline(always)]
fn taught(ctx: &TcContext) -> Result<Outcome, Outcome> {
    let datagram = told(ctx).map_err(|_| Outcome::Malformed)?;
    let lesson = read(ctx, datagram);
    let lesson = lesson.inspect_err(|outcome| log::untaught(&datagram.flow, *outcome))?;
    Ok(teach_all(lesson, &datagram.flow))
}

#[inline(always)]
fn read(ctx: &TcContext, datagram: &Datagram) -> Result<Lesson, Outcome> {
    let generation = Generation::current().ok_or(Outcome::NoPolicy)?;
    // A generation may have come meanwhile that trusts it no more.
    let resolver = generation.covers(&datagram.flow.src);
    if !resolver.is(mark::RESOLVER | mark::LOCAL_RESOLVER) {
        return Err(Outcome::ResolverNotTrusted);
    }
    let payload = udp_payload(&View::of_pulled(ctx), datagram).ok_or(Outcome::Malformed)?;
    let message = taken(ctx, payload.at, payload.len)?;
    message.set_client(datagram.flow.dst);
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

/// Copies the message to where its steps can read it.
#[inline(always)]
fn taken(ctx: &TcContext, at: usize, len: usize) -> Result<&'static mut Message, Outcome> {
    if len > MESSAGE_MAX {
        return Err(Outcome::TooLong);
    }
    let message = TOLD.get_ptr_mut(0).ok_or(Outcome::NoPolicy)?;
    // SAFETY: this CPU's own place, and user space hands over one answer at a time.
    let message = unsafe { &mut *message };
    let len = len as u32;
    // SAFETY: the buffer has room for MESSAGE_MAX bytes.
    if !unsafe { view::copy::<{ MESSAGE_MAX as u32 }>(ctx, at, message.buffer(), len) } {
        return Err(Outcome::CutOff);
    }
    message.set_len(len);
    message.set_seed(seed());
    Ok(message)
}
