//! Packet bytes between `data` and `data_end`: the one place that reads and writes packets.

use core::ptr;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, xdp_md},
    helpers::{bpf_xdp_adjust_head, bpf_xdp_adjust_tail, bpf_xdp_get_buff_len, bpf_xdp_load_bytes},
    programs::{TcContext, XdpContext},
};
use egress_common::{
    checksum::Sum,
    packet::{Packet, Reshape, Wire},
    steer::{NOTE_BYTES, Note},
};

/// The linear part of a packet: of an XDP frame in several buffers the first, which holds the headers.
#[derive(Clone, Copy)]
pub struct View {
    start: usize,
    end: usize,
    whole: Whole,
}

/// How long the whole frame is.
#[derive(Clone, Copy)]
enum Whole {
    /// So many bytes.
    Bytes(usize),
    /// The kernel tells of an XDP frame; only asked where the linear part is too short.
    Frame(*mut xdp_md),
}

impl View {
    /// An XDP frame.
    #[inline(always)]
    pub fn of_frame(ctx: &XdpContext) -> Self {
        // SAFETY: the context is valid for the program's life.
        let (start, end) = unsafe {
            (
                ptr::read_volatile(&raw const (*ctx.ctx).data),
                ptr::read_volatile(&raw const (*ctx.ctx).data_end),
            )
        };
        Self {
            start: start as usize,
            end: end as usize,
            whole: Whole::Frame(ctx.ctx),
        }
    }

    /// Bytes that [`Packet::view`] sees.
    #[inline(always)]
    pub fn len(&self) -> usize {
        // LLVM would subtract halves of pointers, and spill those.
        same_register(self.end - self.start)
    }

    /// Bytes of the whole frame.
    #[inline(always)]
    pub fn frame_len(&self) -> usize {
        match self.whole {
            Whole::Bytes(bytes) => bytes,
            // SAFETY: the context is valid for the program's life.
            Whole::Frame(ctx) => unsafe { bpf_xdp_get_buff_len(ctx) as usize },
        }
    }

    /// The headers of a socket buffer, up to `BYTES`; what of them lies beyond the linear part is pulled in.
    #[inline(always)]
    pub fn of_headers<const BYTES: usize>(ctx: &TcContext) -> Self {
        // On failure the reads below fail, each on its own.
        pull_headers(ctx.as_ptr().cast(), BYTES as u32);
        Self::of_pulled(ctx)
    }

    /// The headers of a socket buffer, as far as they lie in its linear part.
    #[inline(always)]
    pub fn of_pulled(ctx: &TcContext) -> Self {
        let skb: *const __sk_buff = ctx.as_ptr().cast();
        // SAFETY: the context is valid for the program's life.
        unsafe {
            Self {
                start: ptr::read_volatile(&raw const (*skb).data) as usize,
                end: ptr::read_volatile(&raw const (*skb).data_end) as usize,
                whole: Whole::Bytes((*skb).len as usize),
            }
        }
    }

    /// Where the header at offset `at` lies; nothing where the packet ends before the header does.
    #[inline(always)]
    fn spot<T: Wire>(&self, at: usize) -> Option<usize> {
        /// Nothing is read that far into a packet; a mask as well.
        const FARTHEST: usize = 0x7fff;

        if at > FARTHEST {
            return None;
        }
        // Linux 6.1 forgets what it knew of a number that was spilled to the stack, and adds no unbounded
        // offset: the mask, which changes nothing, tells it again.
        let at = same_register(at) & FARTHEST;
        let from = same_register(self.start + at);
        (from + size_of::<T>() <= self.end).then_some(from)
    }
}

impl Packet for View {
    #[inline(always)]
    fn view<T: Wire>(&self, at: usize) -> Option<&T> {
        let from = self.spot::<T>(at)?;
        // SAFETY: the header lies between data and data_end, which the verifier checks as well, and
        // Wire types have alignment 1 and no invalid values.
        Some(unsafe { &*(from as *const T) })
    }

    #[inline(always)]
    fn holds(&self, end: usize) -> bool {
        end <= self.len() || end <= self.frame_len()
    }
}

/// An XDP frame that becomes another one. Every change of its length makes the kernel forget what was
/// checked, so the view is made anew.
pub struct Frame<'a> {
    ctx: &'a XdpContext,
    view: View,
}

impl<'a> Frame<'a> {
    /// As it came in.
    #[inline(always)]
    pub fn of(ctx: &'a XdpContext) -> Self {
        Self {
            ctx,
            view: View::of_frame(ctx),
        }
    }

    /// A header at offset `at`, to be changed where it lies; nothing where the frame ends before it does.
    #[inline(always)]
    pub fn place<T: Wire>(&mut self, at: usize) -> Option<&mut T> {
        let from = self.view.spot::<T>(at)?;
        // SAFETY: as in `View::view`, and nothing else points to these bytes meanwhile.
        Some(unsafe { &mut *(from as *mut T) })
    }

    /// After an adjustment that the kernel answered with `result`.
    #[inline(always)]
    fn adjusted(&mut self, result: i64) -> Option<()> {
        self.view = View::of_frame(self.ctx);
        (result == 0).then_some(())
    }
}

impl Packet for Frame<'_> {
    #[inline(always)]
    fn view<T: Wire>(&self, at: usize) -> Option<&T> {
        self.view.view(at)
    }

    #[inline(always)]
    fn holds(&self, end: usize) -> bool {
        self.view.holds(end)
    }

    #[inline(always)]
    fn sum(&self, at: usize, len: usize) -> Option<Sum> {
        Sum::from_code(frame_sum(self.ctx.ctx, at as u32, len as u32))
    }
}

/// See [`Sum::of`]. A global function: verified once, on its own, whatever is made of the frame.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn frame_sum(ctx: *mut xdp_md, at: u32, len: u32) -> u64 {
    let view = View::of_frame(&XdpContext::new(ctx));
    Sum::to_code(Sum::of(&view, at as usize, len as usize))
}

impl Reshape for Frame<'_> {
    #[inline(always)]
    fn visible(&self) -> usize {
        self.view.len()
    }

    #[inline(always)]
    fn cut(&mut self, len: usize) -> Option<()> {
        let delta = len as i32 - self.view.frame_len() as i32;
        // SAFETY: the context is valid for the program's life; no pointer into the packet is used again.
        let result = unsafe { bpf_xdp_adjust_tail(self.ctx.ctx, delta) };
        self.adjusted(result)
    }

    #[inline(always)]
    fn push(&mut self, bytes: usize) -> Option<()> {
        // SAFETY: as above.
        let result = unsafe { bpf_xdp_adjust_head(self.ctx.ctx, -(bytes as i32)) };
        self.adjusted(result)
    }

    #[inline(always)]
    fn put<T: Wire>(&mut self, at: usize, header: T) -> Option<()> {
        let place = ptr::from_ref(self.view.view::<T>(at)?).cast_mut();
        // SAFETY: the bytes lie between data and data_end, and nothing else points to them.
        unsafe { place.write(header) };
        Some(())
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

/// Pulls the first bytes of a socket buffer into its linear part. A global function, so that the verifier
/// follows what comes after it once, and not for packets with and without pages.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn pull_headers(ctx: *mut __sk_buff, bytes: u32) -> u32 {
    let Some(ctx) = ptr::NonNull::new(ctx) else {
        return 0;
    };
    let ctx = TcContext::new(ctx);
    if same_register(ctx.data_end() - ctx.data()) < bytes as usize {
        let _: Result<(), _> = ctx.pull_data(ctx.len().min(bytes));
    }
    0
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

/// Copies `len` bytes from offset `at` of an XDP frame to `to`; tells whether it did.
///
/// # Safety
/// `to` must have room for `MAX` bytes.
#[inline(always)]
pub unsafe fn copy_of_frame<const MAX: u32>(
    ctx: &XdpContext,
    at: usize,
    to: *mut u8,
    len: u32,
) -> bool {
    let Some(len) = bounded::<MAX>(len) else {
        return false;
    };
    // SAFETY: the caller has room for MAX bytes, and `len` is no more.
    let result = unsafe { bpf_xdp_load_bytes(ctx.ctx, at as u32, to.cast(), len) };
    result == 0
}

/// A length between 1 and `MAX`, as every verifier sees it.
#[inline(always)]
pub fn bounded<const MAX: u32>(len: u32) -> Option<u32> {
    const { assert!(MAX.is_power_of_two()) };
    if len == 0 || len > MAX {
        return None;
    }
    // Both ends, in all 64 bits, without a branch: Linux 6.1 learns nothing from `len != 0`, 6.1 and 6.12
    // nothing of the upper half from a 32-bit compare, and 7.3 wants to see the lower end.
    Some(((same_register(len as usize - 1) & (MAX as usize - 1)) + 1) as u32)
}

/// Copies `len` bytes from offset `at` of a socket buffer to `to`; tells whether it did.
///
/// # Safety
/// `to` must have room for `MAX` bytes.
#[inline(always)]
pub unsafe fn copy<const MAX: u32>(ctx: &TcContext, at: usize, to: *mut u8, len: u32) -> bool {
    let Some(len) = bounded::<MAX>(len) else {
        return false;
    };
    // SAFETY: the caller has room for MAX bytes, and `len` is no more.
    let result = unsafe {
        aya_ebpf::helpers::bpf_skb_load_bytes(ctx.as_ptr().cast(), at as u32, to.cast(), len)
    };
    result == 0
}
