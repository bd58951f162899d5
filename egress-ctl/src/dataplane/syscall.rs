//! bpf(2), where aya has no call for a command.

use std::{io, mem::size_of};

/// Calls bpf(2) with attributes that begin with what the command reads (`union bpf_attr`, linux/bpf.h).
pub(super) fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the attributes are of this size, and what they point to lives on.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            command,
            std::ptr::from_mut(attributes),
            size_of::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as i32)
}

/// What the commands for many entries at once read (`batch` of `union bpf_attr`).
#[repr(C)]
#[derive(Default)]
pub(super) struct Batch {
    /// Where the place to begin at stands; 0 is the beginning.
    pub(super) first: u64,
    /// Where the place to go on at goes.
    pub(super) next: u64,
    /// Where keys are.
    pub(super) keys: u64,
    /// Where values are.
    pub(super) values: u64,
    /// How many entries, and afterwards how many it were.
    pub(super) count: u32,
    /// The map.
    pub(super) map: u32,
    /// Flags of each entry.
    pub(super) element_flags: u64,
    /// Flags of the command.
    pub(super) flags: u64,
}
