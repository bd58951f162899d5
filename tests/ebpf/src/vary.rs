//! Frames that differ: which bytes are written where is set before loading, what into a map.

use core::ptr;

use aya_ebpf::{
    EbpfContext,
    btf_maps::{Array, ProgramArray},
    macros::btf_map,
    programs::{TcContext, XdpContext},
};

/// Longest value: an Ethernet and an IPv4 header.
const VALUE_BYTES: usize = 40;
/// Most values.
const VALUES_MAX: usize = 65_536;

/// Where in the frame values are written.
#[unsafe(no_mangle)]
static AT: u32 = 0;
/// How many bytes of them: 2, 4, 16 or 34.
#[unsafe(no_mangle)]
static BYTES: u32 = 0;
/// How many values there are, a power of two, less one.
#[unsafe(no_mangle)]
static MASK: u32 = 0;
/// The interface that generated frames go out of.
#[unsafe(no_mangle)]
static OUT: u32 = 0;

/// What is written. Written by user space, read by programs that vary.
#[btf_map]
static VALUES: Array<[u8; VALUE_BYTES], VALUES_MAX> = Array::new();

/// Which value comes next. Written and read by the programs that vary.
#[btf_map]
static NEXT: Array<u32, 1> = Array::new();

/// The measured program of XDP. Written by user space.
#[btf_map]
static MEASURED: ProgramArray<1> = ProgramArray::new();

/// The measured program of TC. Written by user space.
#[btf_map]
static MEASURED_TC: ProgramArray<1> = ProgramArray::new();

/// Writes the next value into the bytes between `start` and `end`; nothing where it does not fit.
#[inline(always)]
pub fn vary(start: usize, end: usize) -> Option<()> {
    let value = next()?;
    let at = start + set(&AT) as usize;
    match set(&BYTES) {
        2 => write::<2>(at, end, value),
        4 => write::<4>(at, end, value),
        16 => write::<16>(at, end, value),
        34 => write::<34>(at, end, value),
        _ => None,
    }
}

/// The interface that generated frames go out of.
#[inline(always)]
pub fn out() -> u32 {
    set(&OUT)
}

/// Goes on with the measured program of XDP; returns only where there is none.
#[inline(always)]
pub fn measured(ctx: &XdpContext) {
    call(&MEASURED, ctx);
}

/// Goes on with the measured program of TC; returns only where there is none.
#[inline(always)]
pub fn measured_tc(ctx: &TcContext) {
    call(&MEASURED_TC, ctx);
}

#[inline(always)]
fn call(programs: &ProgramArray<1>, ctx: &impl EbpfContext) {
    // SAFETY: nothing here needs to be dropped.
    unsafe { programs.tail_call(ctx, 0) };
}

#[inline(always)]
fn next() -> Option<&'static [u8; VALUE_BYTES]> {
    let next = NEXT.get_ptr_mut(0)?;
    // SAFETY: the entry exists for the program's life, and one CPU at a time runs what varies.
    let n = unsafe {
        let n = *next;
        *next = n.wrapping_add(1);
        n
    };
    VALUES.get(n & set(&MASK))
}

#[inline(always)]
fn write<const N: usize>(at: usize, end: usize, value: &[u8; VALUE_BYTES]) -> Option<()> {
    if at + N > end {
        return None;
    }
    // SAFETY: both are at least so long, as the verifier checks too.
    unsafe { ptr::copy_nonoverlapping(value.as_ptr(), at as *mut u8, N) };
    Some(())
}

/// What was set before loading; the compiler must not take the value in the source for it.
#[inline(always)]
fn set(global: &'static u32) -> u32 {
    // SAFETY: a static of the program.
    unsafe { ptr::read_volatile(global) }
}
