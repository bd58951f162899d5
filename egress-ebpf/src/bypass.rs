//! The emergency lever: while it is pulled nothing is dropped, and all else goes on as before.

use core::ptr;

use egress_common::verdict::Action;

use crate::{maps::BYPASS, tables::now_ms};

/// What becomes of a packet while nothing is dropped; what passes anyway asks for nothing.
#[inline(always)]
pub fn lenient(action: Action) -> Action {
    match action {
        Action::Drop | Action::Reject if bypass_is_on() != 0 => Action::WouldDrop,
        action => action,
    }
}

/// Whether it is pulled. A global function: what it needs of the stack is not added to its callers'.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn bypass_is_on() -> u32 {
    let Some(until_ms) = BYPASS.get_ptr(0) else {
        return 0;
    };
    // SAFETY: one aligned word of the slot, which exists for the program's life.
    let until_ms = unsafe { ptr::read_volatile(until_ms) };
    u32::from(until_ms != 0 && now_ms() < until_ms)
}
