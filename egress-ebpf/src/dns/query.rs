//! LAN ingress: the queries that clients send to trusted resolvers.
//!
//! In: a packet to port 53 that passes. Out: a note of what it asks, for LAN egress; and a query that asks for
//! answers which could come in fragments asks for smaller ones. What is no query is counted.

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, xdp_md},
    programs::{TcContext, XdpContext},
};
use egress_common::{
    dns::{
        Outcome,
        edns::{Oversized, SIZE_MAX, oversized},
        message::{MESSAGE_MAX, Message},
        policy::{self, QUERIES_MAX},
        query::read_query,
        stream::LENGTH_BYTES,
    },
    flow::proto,
    parse::{Datagram, Payload},
    rewrite::{CHECKSUM, replace_pair, swapped},
    rule::mark,
};

use super::{
    asked::note,
    steps::Global,
    strict::{buffer_may_ask, frame_may_ask},
};
use crate::{
    datagram::buffer,
    log,
    maps::QUERY,
    stats::count_dns,
    tables::{Generation, seed},
    tc::HEADERS_BYTES,
    view::{self, Frame, View},
};

/// Notes what a frame asks. A global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_query(ctx: *mut xdp_md, datagram: *const Datagram, half: u32) -> u32 {
    query(&OfFrame(XdpContext::new(ctx)), datagram, half);
    0
}

/// [`frame_query`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_query(ctx: *mut __sk_buff, datagram: *const Datagram, half: u32) -> u32 {
    query(&OfBuffer(buffer(ctx)), datagram, half);
    0
}

/// A packet that holds queries.
pub trait Carrier {
    /// Its headers.
    fn headers(&self) -> View;
    /// Copies `len` bytes from offset `at` to `to`; tells whether it did.
    ///
    /// # Safety
    /// `to` must have room for [`MESSAGE_MAX`] bytes.
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool;
    /// Notes one query.
    fn note(&self, datagram: &Datagram, payload: Payload);
    /// Whether a group may ask a query; see [`super::strict`].
    fn may_ask(&self, query: Payload, half: u32, group: u32) -> bool;
    /// Replaces two bytes of a UDP payload, and the checksum with them.
    fn replace(&self, datagram: &Datagram, at: usize, old: [u8; 2], new: [u8; 2]);
}

/// An XDP frame.
pub struct OfFrame(pub XdpContext);

/// A socket buffer.
pub struct OfBuffer(pub TcContext);

/// Bytes of the longest message, as the copies want it.
const ROOM: u32 = MESSAGE_MAX as u32;

impl Carrier for OfFrame {
    #[inline(always)]
    fn headers(&self) -> View {
        View::of_frame(&self.0)
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool {
        // SAFETY: as the caller promises.
        unsafe { view::copy_of_frame::<ROOM>(&self.0, at, to, len) }
    }

    #[inline(always)]
    fn note(&self, datagram: &Datagram, payload: Payload) {
        frame_note(self.0.ctx, datagram, payload.at as u32, payload.len as u32);
    }

    #[inline(always)]
    fn may_ask(&self, query: Payload, half: u32, group: u32) -> bool {
        let (at, len) = (query.at as u32, query.len as u32);
        frame_may_ask(self.0.ctx, at, len, half, group) != 0
    }

    #[inline(always)]
    fn replace(&self, datagram: &Datagram, at: usize, _old: [u8; 2], new: [u8; 2]) {
        let _: Option<()> = replace_pair(&mut Frame::of(&self.0), datagram, at, new);
    }
}

impl Carrier for OfBuffer {
    #[inline(always)]
    fn headers(&self) -> View {
        View::of_headers::<HEADERS_BYTES>(&self.0)
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool {
        // SAFETY: as the caller promises.
        unsafe { view::copy::<ROOM>(&self.0, at, to, len) }
    }

    #[inline(always)]
    fn note(&self, datagram: &Datagram, payload: Payload) {
        let skb = self.0.as_ptr().cast();
        buffer_note(skb, datagram, payload.at as u32, payload.len as u32);
    }

    #[inline(always)]
    fn may_ask(&self, query: Payload, half: u32, group: u32) -> bool {
        let (at, len) = (query.at as u32, query.len as u32);
        buffer_may_ask(self.0.as_ptr().cast(), at, len, half, group) != 0
    }

    /// The kernel knows what the checksum of a socket buffer is.
    #[inline(always)]
    fn replace(&self, datagram: &Datagram, at: usize, old: [u8; 2], new: [u8; 2]) {
        let word = |bytes: [u8; 2]| {
            let is_even = (at - datagram.l4).is_multiple_of(2);
            u64::from(u16::from_ne_bytes(if is_even {
                bytes
            } else {
                swapped(bytes)
            }))
        };
        const PAIR: u64 = 2;
        let flags = PAIR | u64::from(BPF_F_MARK_MANGLED_0);
        let checksum = datagram.l4 + CHECKSUM;
        if self
            .0
            .l4_csum_replace(checksum, word(old), word(new), flags)
            .is_ok()
        {
            let _: Result<(), _> = self.0.store(at, &new, 0);
        }
    }
}

#[inline(always)]
fn query<C: Carrier>(carrier: &C, datagram: *const Datagram, half: u32) {
    // SAFETY: null, or the datagram of this CPU.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
        return;
    };
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let resolver = datagram.flow.dst;
    let asked = Generation::of_half(half).covers(&resolver);
    if !asked.is(mark::RESOLVER | mark::LOCAL_RESOLVER) {
        return;
    }
    let Some(payload) = policy::payload(&carrier.headers(), datagram) else {
        return;
    };
    if datagram.flow.proto == proto::TCP {
        of_segment(carrier, datagram, payload);
    } else {
        carrier.note(datagram, payload);
    }
}

/// Notes the queries of a segment. Whether they stand where messages of the stream do does not matter: a
/// client may ask whatever it likes.
#[inline(always)]
fn of_segment<C: Carrier>(carrier: &C, datagram: &Datagram, payload: Payload) {
    // The length may have come in a segment of its own.
    carrier.note(datagram, payload);
    let (mut at, end) = (payload.at, payload.at + payload.len);
    for _ in 0..QUERIES_MAX {
        let from = at + LENGTH_BYTES as usize;
        match length(carrier, at) {
            Some(len) if from + len <= end => {
                carrier.note(datagram, Payload { at: from, len });
                at = from + len;
            }
            _ => return,
        }
    }
}

/// The length in front of a message at an offset of the packet.
#[inline(always)]
pub fn length<C: Carrier>(carrier: &C, at: usize) -> Option<usize> {
    let message = taken(
        carrier,
        Payload {
            at,
            len: LENGTH_BYTES as usize,
        },
    )?;
    Some(usize::from(message.id()))
}

/// Notes the query of `len` bytes at offset `at` of a frame.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_note(
    ctx: *mut xdp_md,
    datagram: *const Datagram,
    at: u32,
    len: u32,
) -> u32 {
    note_one(&OfFrame(XdpContext::new(ctx)), datagram, at, len);
    0
}

/// [`frame_note`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_note(
    ctx: *mut __sk_buff,
    datagram: *const Datagram,
    at: u32,
    len: u32,
) -> u32 {
    note_one(&OfBuffer(buffer(ctx)), datagram, at, len);
    0
}

#[inline(always)]
fn note_one<C: Carrier>(carrier: &C, datagram: *const Datagram, at: u32, len: u32) {
    // SAFETY: null, or the datagram of this CPU.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
        return;
    };
    let payload = Payload {
        at: at as usize,
        len: len as usize,
    };
    let is_datagram = datagram.flow.proto == proto::UDP;
    let Some(message) = asked(carrier, payload) else {
        // A segment may hold a part of anything.
        if is_datagram {
            count_dns(Outcome::NoQuery);
            log::unnoted(&datagram.flow, Outcome::NoQuery);
        }
        return;
    };
    note(&datagram.flow, message);
    if is_datagram && let Some(Oversized { at, size }) = oversized(message) {
        let at = payload.at + at;
        carrier.replace(datagram, at, size.to_be_bytes(), SIZE_MAX.to_be_bytes());
    }
}

/// The query there.
#[inline(always)]
fn asked<C: Carrier>(carrier: &C, payload: Payload) -> Option<&'static mut Message> {
    let message = taken(carrier, payload)?;
    read_query::<Global>(message).then_some(message)
}

/// Copies a message to where its steps can read it.
#[inline(always)]
pub fn taken<C: Carrier>(carrier: &C, payload: Payload) -> Option<&'static mut Message> {
    if payload.len > MESSAGE_MAX {
        return None;
    }
    // SAFETY: this CPU's own place, and programs of LAN ingress do not interrupt each other.
    let message = unsafe { &mut *QUERY.get_ptr_mut(0)? };
    let len = payload.len as u32;
    // SAFETY: the buffer has room for MESSAGE_MAX bytes.
    if !unsafe { carrier.copy(payload.at, message.buffer(), len) } {
        return None;
    }
    message.set_len(len);
    message.set_seed(seed());
    Some(message)
}
