//! Packet bytes between `data` and `data_end`: the one place that reads packets.

use aya_ebpf::{
    EbpfContext as _,
    bindings::__sk_buff,
    programs::{TcContext, XdpContext},
};
use egress_common::{
    packet::{Packet, Wire},
    steer::{NOTE_BYTES, Note},
};

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

    /// The headers of a socket buffer, up to `BYTES`; what of them lies beyond the linear part is pulled in.
    #[inline(always)]
    pub fn of_headers<const BYTES: usize>(ctx: &TcContext) -> Self {
        let len = ctx.len();
        if ctx.data() + BYTES > ctx.data_end() {
            // On failure the reads below fail, each on its own.
            let _: Result<(), _> = ctx.pull_data(len.min(BYTES as u32));
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
        /// Nothing is read that far into a packet.
        const FARTHEST: usize = 0x7fff;

        // Linux 6.1 forgets a constant that was spilled to the stack, and adds no unbounded offset.
        let at = same_register(at);
        if at > FARTHEST {
            return None;
        }
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

/// Leaves a note in front of a frame for the programs behind; nothing where the driver has no room for it.
/// The frame must be viewed anew afterwards.
#[inline(always)]
pub fn leave(ctx: &XdpContext, note: Note) {
    // SAFETY: the context is valid for the program's life.
    if unsafe { aya_ebpf::helpers::bpf_xdp_adjust_meta(ctx.ctx, -(NOTE_BYTES as i32)) } != 0 {
        return;
    }
    let (start, end) = (same_register(ctx.metadata()), ctx.data());
    if start + NOTE_BYTES <= end {
        // SAFETY: the metadata lie between `data_meta` and `data`, which the verifier checks as well, and
        // on a multiple of 4 bytes.
        unsafe { (start as *mut Note).write(note) };
    }
}

/// The note that an XDP program left in front of a packet; none where there is none.
#[inline(always)]
pub fn note(ctx: &TcContext) -> Option<Note> {
    // SAFETY: the context is valid for the program's life.
    let start = unsafe { (*ctx.as_ptr().cast::<__sk_buff>()).data_meta as usize };
    let (start, end) = (same_register(start), ctx.data());
    if start + NOTE_BYTES > end {
        return None;
    }
    // SAFETY: as in `leave`; every value is a note.
    Some(unsafe { (start as *const Note).read() })
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
    const { assert!(MAX.is_power_of_two()) };
    if len == 0 || len > MAX {
        return false;
    }
    // Both ends, in all 64 bits, without a branch: Linux 6.1 learns nothing from `len != 0`, 6.1 and 6.12
    // nothing of the upper half from a 32-bit compare, and 7.3 wants to see the lower end.
    let len = (same_register(len as usize - 1) & (MAX as usize - 1)) + 1;
    // SAFETY: the caller has room for MAX bytes, and `len` is no more.
    let result = unsafe {
        aya_ebpf::helpers::bpf_skb_load_bytes(ctx.as_ptr().cast(), at as u32, to.cast(), len as u32)
    };
    result == 0
}
