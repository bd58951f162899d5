//! Numbers and memory of which LLVM knows nothing.

/// Hides a number from LLVM, so that a check after this call is made on the very register that is
/// used afterwards: the verifier learns nothing from the check of a copy.
#[inline(always)]
pub fn opaque(number: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut number = number;
        // SAFETY: the instruction moves a register onto itself.
        unsafe {
            core::arch::asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack, preserves_flags));
        }
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}

/// Has LLVM write what stands in memory there, and read it again when it is next needed.
#[inline(always)]
pub(crate) fn settle<T>(place: &mut T) {
    #[cfg(target_arch = "bpf")]
    // SAFETY: the instruction moves a register onto itself.
    unsafe {
        core::arch::asm!("{0} = {0}", inout(reg) core::ptr::from_mut(place) => _, options(nostack, preserves_flags));
    }
    #[cfg(not(target_arch = "bpf"))]
    let _ = place;
}
