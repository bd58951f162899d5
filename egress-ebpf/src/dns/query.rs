//! LAN ingress: the queries that clients send to trusted resolvers.
//!
//! In: a packet to port 53 that passes. Out: a note of what it asks, for LAN egress.

use aya_ebpf::{
    bindings::{__sk_buff, xdp_md},
    programs::{TcContext, XdpContext},
};
use egress_common::{
    dns::{
        message::{MESSAGE_MAX, Message},
        query::read_query,
    },
    flow::proto,
    judge::Tables as _,
    parse::{Datagram, UdpPayload, udp_payload},
    rule::mark,
};

use super::{asked::note, steps::Global};
use crate::{
    datagram::buffer,
    maps::QUERY,
    tables::{Generation, seed},
    tc::HEADERS_BYTES,
    view::{self, View},
};

/// Notes what a frame asks. A global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_query(ctx: *mut xdp_md, datagram: *const Datagram, half: u32) -> u32 {
    query(&Frame(XdpContext::new(ctx)), datagram, half);
    0
}

/// [`frame_query`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_query(ctx: *mut __sk_buff, datagram: *const Datagram, half: u32) -> u32 {
    query(&Buffer(buffer(ctx)), datagram, half);
    0
}

/// A packet that holds a query.
trait Carrier {
    /// Its headers.
    fn headers(&self) -> View;
    /// Copies `len` bytes from offset `at` to `to`; tells whether it did.
    ///
    /// # Safety
    /// `to` must have room for [`MESSAGE_MAX`] bytes.
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool;
}

struct Frame(XdpContext);

struct Buffer(TcContext);

/// Bytes of the longest message, as the copies want it.
const ROOM: u32 = MESSAGE_MAX as u32;

impl Carrier for Frame {
    #[inline(always)]
    fn headers(&self) -> View {
        View::of_frame(&self.0)
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool {
        // SAFETY: as the caller promises.
        unsafe { view::copy_of_frame::<ROOM>(&self.0, at, to, len) }
    }
}

impl Carrier for Buffer {
    #[inline(always)]
    fn headers(&self) -> View {
        View::of_headers::<HEADERS_BYTES>(&self.0)
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, len: u32) -> bool {
        // SAFETY: as the caller promises.
        unsafe { view::copy::<ROOM>(&self.0, at, to, len) }
    }
}

#[inline(always)]
fn query<C: Carrier>(carrier: &C, datagram: *const Datagram, half: u32) {
    // SAFETY: null, or the datagram of this CPU.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
        return;
    };
    if datagram.piece.is_fragment() || datagram.flow.proto != proto::UDP {
        return;
    }
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let resolver = datagram.flow.dst;
    let asked = Generation::of_half(half).destination(&resolver);
    if !asked.is(mark::RESOLVER | mark::LOCAL_RESOLVER) {
        return;
    }
    let Some(payload) = udp_payload(&carrier.headers(), datagram) else {
        return;
    };
    if let Some(message) = taken(carrier, payload)
        && read_query::<Global>(message)
    {
        note(&datagram.flow, message);
    }
}

/// Copies a message to where its steps can read it.
#[inline(always)]
fn taken<C: Carrier>(carrier: &C, payload: UdpPayload) -> Option<&'static mut Message> {
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
