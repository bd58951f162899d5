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
