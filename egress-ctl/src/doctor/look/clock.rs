//! Asks what time it is, and whether the kernel takes it for right.

use jiff::Timestamp;

use crate::doctor::clock::Clock;

/// Asks it; `generation` is when the newest one was made.
pub(super) fn look(generation: Option<Timestamp>) -> Clock {
    Clock {
        now: Timestamp::now(),
        is_synchronised: is_synchronised(),
        generation,
    }
}

/// Whether something keeps the clock right (adjtimex(2)).
fn is_synchronised() -> Option<bool> {
    // SAFETY: all its fields are numbers; with zero modes nothing is set.
    let mut about: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: it is ours, and as large as the kernel takes it for.
    let state = unsafe { libc::adjtimex(&raw mut about) };
    match state {
        -1 => None,
        state => Some(state != libc::TIME_ERROR),
    }
}
