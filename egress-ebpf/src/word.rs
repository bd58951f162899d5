//! Words of maps that several CPUs change at once.

use core::intrinsics::{AtomicOrdering, atomic_cxchg};

/// Puts `new` at a place if `old` still stands there; tells whether it did.
///
/// # Safety
/// `place` is an aligned word inside a map's value.
#[inline(always)]
pub unsafe fn exchange(place: *mut u64, old: u64, new: u64) -> bool {
    // SAFETY: as the caller promises. Compared is the old value that comes back: branching on the returned
    // bool is IR that bpf-linker refuses.
    let (was, _) = unsafe {
        atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(place, old, new)
    };
    was == old
}
