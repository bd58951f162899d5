//! bpf(2), where aya has no call for a command.

use std::{io, mem::size_of};

/// Calls bpf(2) with attributes that begin with what the command reads (`union bpf_attr`, linux/bpf.h).
pub fn bpf<T>(command: libc::c_int, attributes: &mut T) -> io::Result<i32> {
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
pub struct Batch {
    /// Where the place to begin at stands; 0 is the beginning.
    pub first: u64,
    /// Where the place to go on at goes.
    pub next: u64,
    /// Where keys are.
    pub keys: u64,
    /// Where values are.
    pub values: u64,
    /// How many entries, and afterwards how many it were.
    pub count: u32,
    /// The map.
    pub map: u32,
    /// Flags of each entry.
    pub element_flags: u64,
    /// Flags of the command.
    pub flags: u64,
}
