//! How often a CPU says a line of a kind.

use crate::{maps::LOG_PACES, tables::now_ms};

/// What lines are about; each has its own pace.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A packet that cannot be parsed.
    Unparsed = 0,
    /// A message that teaches nothing.
    Untaught = 1,
    /// An address that is not learned.
    Address = 2,
    /// A query whose answer will teach nothing.
    Query = 3,
    /// A packet that the fast path gives up.
    GivenUp = 4,
}

/// How many there are.
pub const KINDS: usize = 5;

/// How long a CPU is silent after a line of a kind.
const PAUSE_MS: u64 = 100;

/// When the next line is due, in boot-time ms, and how many were left out since the last.
#[repr(C)]
pub struct Pace {
    due_ms: u64,
    left_out: u64,
}

/// How many lines of this kind were left out before the one that may be said now; nothing while none may.
#[inline(always)]
pub fn turn(kind: Kind) -> Option<u64> {
    // SAFETY: this CPU's own place. Another program of this CPU may come between, which costs a line.
    let pace = unsafe { LOG_PACES.get_ptr_mut(kind as u32)?.as_mut()? };
    let now_ms = now_ms();
    if now_ms < pace.due_ms {
        pace.left_out += 1;
        return None;
    }
    let left_out = pace.left_out;
    *pace = Pace {
        due_ms: now_ms + PAUSE_MS,
        left_out: 0,
    };
    Some(left_out)
}
