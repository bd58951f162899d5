//! LAN egress: the messages of a resolver's TCP stream.

use aya_ebpf::programs::TcContext;
use egress_common::{
    dns::{
        Outcome,
        stream::{LENGTH_BYTES, MESSAGES, Segment, Stream},
    },
    flow::FlowKey,
    parse::{Datagram, Payload, TcpPayload, tcp_payload},
};

use super::{asked::may_begin, is_made_here, learn, trusting};
use crate::{
    log,
    maps::STREAMS,
    stats::count_dns,
    tables::Generation,
    view::{self, View},
};

/// Learns from every message that is whole in a segment, and notes where the next one begins.
#[inline(always)]
pub fn of_segment(ctx: &TcContext, headers: &View, datagram: &Datagram) {
    let Some(TcpPayload {
        payload,
        sequence,
        begins,
    }) = tcp_payload(headers, datagram)
    else {
        return;
    };
    if payload.len == 0 && !begins || datagram.piece.is_fragment() {
        return;
    }
    let generation = match trusting(ctx, datagram) {
        Ok(generation) => generation,
        // The proxy on this machine relays it, and has taught already.
        Err(Outcome::ResolverNotTrusted) if is_made_here(ctx) => return,
        Err(outcome) => {
            count_dns(outcome);
            return log::untaught(&datagram.flow, outcome);
        }
    };
    let key = datagram.flow.key();
    if begins {
        begin(&key, Stream::behind_syn(sequence));
    } else if let Some(stream) = stream(&key) {
        let segment = Segment {
            sequence,
            len: payload.len as u32,
        };
        match read(ctx, datagram, (payload, segment), (stream, generation)) {
            Some(stream) => note(&key, stream),
            None => {
                let _: Result<(), i32> = STREAMS.remove(&key);
            }
        }
    }
}

/// The stream of a connection; none where its beginning was not seen.
#[inline(always)]
fn stream(key: &FlowKey) -> Option<Stream> {
    let value = STREAMS.get_ptr(key)?;
    // SAFETY: one aligned word of an entry that stays readable for the program's life.
    Some(Stream::from_value(unsafe {
        core::ptr::read_volatile(value)
    }))
}

/// From the first byte on, unless the client makes more connections than its share.
#[inline(always)]
fn begin(key: &FlowKey, stream: Stream) {
    match may_begin(key.dst) {
        true => note(key, stream),
        false => count_dns(Outcome::ShareExceeded),
    }
}

/// Without a place the stream's answers teach nothing.
#[inline(always)]
fn note(key: &FlowKey, stream: Stream) {
    let _: Result<(), i32> = STREAMS.insert(key, &stream.to_value(), 0);
}

/// Reads the messages of a segment; the stream behind it, or none where it is lost.
#[inline(always)]
fn read(
    ctx: &TcContext,
    datagram: &Datagram,
    (payload, segment): (Payload, Segment),
    (stream, generation): (Stream, Generation),
) -> Option<Stream> {
    let Some(mut offset) = stream.enter(segment) else {
        return Some(stream);
    };
    for _ in 0..MESSAGES {
        if offset + LENGTH_BYTES > segment.len {
            break;
        }
        let next = segment.message(offset, length(ctx, payload.at + offset as usize)?);
        if next.is_whole {
            let message = Payload {
                at: payload.at + next.at as usize,
                len: next.len as usize,
            };
            learn(ctx, &datagram.flow, message, generation);
        } else {
            count_dns(Outcome::InPieces);
            log::untaught(&datagram.flow, Outcome::InPieces);
        }
        offset = next.at + next.len;
    }
    segment.left_at(offset)
}

/// The length in front of a message at an offset of the packet.
#[inline(always)]
fn length(ctx: &TcContext, at: usize) -> Option<u32> {
    let mut bytes = [0; LENGTH_BYTES as usize];
    // SAFETY: there is room for so many bytes.
    let copied = unsafe { view::copy::<LENGTH_BYTES>(ctx, at, bytes.as_mut_ptr(), LENGTH_BYTES) };
    copied.then(|| u32::from(u16::from_be_bytes(bytes)))
}
