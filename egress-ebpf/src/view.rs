//! Packet bytes between `data` and `data_end`: the one place that reads packets.

use aya_ebpf::{
    EbpfContext as _,
    programs::{TcContext, XdpContext},
};
use egress_common::packet::{Packet, Wire};

/// The linear part of a packet.
#[derive(Clone, Copy)]
pub struct View {
    start: usize,
    end: usize,
    frame_len: usize,
}

impl View {
    /// All of an XDP frame.
    #[inline(always)]
    pub fn of_frame(ctx: &XdpContext) -> Self {
        let (start, end) = (ctx.data(), ctx.data_end());
        Self {
            start,
            end,
            frame_len: end - start,
        }
    }

    /// The headers of a socket buffer; what lies beyond the linear part is pulled in.
    #[inline(always)]
    pub fn of_headers(ctx: &TcContext) -> Self {
        /// Ethernet, IPv6 with some options, UDP.
        const HEADERS_BYTES: usize = 128;

        let len = ctx.len();
        if ctx.data() + HEADERS_BYTES > ctx.data_end() {
            // On failure the reads below fail, each on its own.
            let _: Result<(), _> = ctx.pull_data(len.min(HEADERS_BYTES as u32));
        }
        Self {
            start: ctx.data(),
            end: ctx.data_end(),
            frame_len: len as usize,
        }
    }
}

impl Packet for View {
    #[inline(always)]
    fn view<T: Wire>(&self, at: usize) -> Option<&T> {
        let from = same_register(self.start + at);
        if from + size_of::<T>() > self.end {
            return None;
        }
        // SAFETY: the header lies between data and data_end, which the verifier checks as well, and
        // Wire types have alignment 1 and no invalid values.
        Some(unsafe { &*(from as *const T) })
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.frame_len
    }
}

/// Hides from LLVM where a pointer came from, so that the bounds check is made on the very register
/// that is read through: the verifier gives the checked range to that one alone.
#[inline(always)]
fn same_register(mut pointer: usize) -> usize {
    // SAFETY: the instruction moves a register onto itself.
    unsafe {
        core::arch::asm!("{0} = {0}", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags));
    }
    pointer
}

/// Copies `len` bytes from offset `at` of a socket buffer to `to`; tells whether it did.
///
/// # Safety
/// `to` must have room for `MAX` bytes.
#[inline(always)]
pub unsafe fn copy<const MAX: u32>(ctx: &TcContext, at: usize, to: *mut u8, len: u32) -> bool {
    // Checked in all 64 bits, of which LLVM knows nothing: up to Linux 6.12 the verifier forgets the
    // upper half after a check of the lower one. Linux 7.3 wants to see both ends.
    let len = same_register(len as usize);
    if len == 0 || len > MAX as usize {
        return false;
    }
    // SAFETY: the caller has room for MAX bytes, and `len` is no more.
    let result = unsafe {
        aya_ebpf::helpers::bpf_skb_load_bytes(ctx.as_ptr().cast(), at as u32, to.cast(), len as u32)
    };
    result == 0
}
