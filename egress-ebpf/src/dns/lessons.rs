//! What user space is told of a message that taught or was refused: the message itself.
//!
//! A record that finds no room is lost, and counted; what was learned stays learned.

use core::{ptr, slice};

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use egress_common::{
    dns::{
        Outcome,
        message::{MESSAGE_MAX, Message},
    },
    flow::Flow,
    lesson::{Fate, HEAD_BYTES},
};

use crate::{
    maps::{LESSON_FATES, LESSONS},
    tables::{Generation, now_ms},
    view::bounded,
};

/// Notes who the message is from and for, and the pattern that lists its name (0 for none).
#[inline(always)]
pub fn begin(message: &mut Message, flow: &Flow, pattern: u32) {
    let head = &mut message.head;
    head.resolver = flow.src;
    head.client = flow.dst;
    head.generation = Generation::current().map_or(0, Generation::number);
    head.pattern = pattern;
}

/// Notes that an address of the message may not be taught.
///
/// # Safety
/// The message is the one of this CPU.
#[inline(always)]
pub unsafe fn note_refused(message: *mut Message) {
    // SAFETY: as the caller promises.
    unsafe { (*message).head.refused += 1 };
}

/// Tells of a message and what became of it, as a global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_tell(message: *mut Message, outcome: u32) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    let Some(message) = (unsafe { message.as_mut() }) else {
        return 0;
    };
    message.head.at_ms = now_ms();
    message.head.outcome = outcome;
    count(output(message));
    0
}

/// [`dns_tell`].
#[inline(always)]
pub fn tell(message: &mut Message, outcome: Outcome) {
    dns_tell(message, outcome as u32);
}

#[inline(always)]
fn output(message: &Message) -> Fate {
    let Some(len) = bounded::<{ MESSAGE_MAX as u32 }>(message.head.len) else {
        return Fate::Lost;
    };
    let bytes = len as usize + HEAD_BYTES;
    // SAFETY: the message's bytes stand right behind its head, and there is room for MESSAGE_MAX.
    let record = unsafe { slice::from_raw_parts(ptr::from_ref(message).cast::<u8>(), bytes) };
    // The daemon looks by itself: waking it up would cost an interrupt a message.
    match LESSONS.output_untyped(record, u64::from(BPF_RB_NO_WAKEUP)) {
        Ok(()) => Fate::Told,
        Err(_) => Fate::Lost,
    }
}

#[inline(always)]
fn count(fate: Fate) {
    if let Some(records) = LESSON_FATES.get_ptr_mut(fate as u32) {
        // SAFETY: this CPU's own place.
        unsafe { *records += 1 };
    }
}
