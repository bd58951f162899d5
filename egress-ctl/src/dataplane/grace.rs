//! Waits for programs that run.
//!
//! A link that holds another program now may still have the one before run for a packet. The kernel waits for all of
//! them after it changed a map of maps (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c), so one is made and changed.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd},
};

use aya::maps::{MapData, MapError};
use aya_obj::generated::{bpf_cmd, bpf_map_type};

use super::syscall::bpf;

/// Returns once no program runs any more that ran when it was called.
///
/// # Errors
/// The kernel makes or changes no map.
pub(super) fn wait() -> Result<(), MapError> {
    let inner = MapData::create(
        aya_obj::Map::new_from_params(bpf_map_type::BPF_MAP_TYPE_ARRAY as u32, 4, 4, 1, 0),
        "inner",
        None,
    )?;
    let inner_fd = inner.fd().as_fd().as_raw_fd();
    let outer = outer(inner_fd)?;
    put(&outer, inner_fd)?;
    Ok(())
}

fn outer(inner: i32) -> io::Result<OwnedFd> {
    /// The beginning of what `BPF_MAP_CREATE` reads (linux/bpf.h).
    #[repr(C)]
    struct Create {
        kind: u32,
        key_bytes: u32,
        value_bytes: u32,
        entries: u32,
        flags: u32,
        inner: u32,
    }

    let number = size_of::<u32>() as u32;
    let mut create = Create {
        kind: bpf_map_type::BPF_MAP_TYPE_ARRAY_OF_MAPS as u32,
        key_bytes: number,
        value_bytes: number,
        entries: 1,
        flags: 0,
        inner: inner as u32,
    };
    let fd = bpf(bpf_cmd::BPF_MAP_CREATE as i32, &mut create)?;
    // SAFETY: the kernel made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn put(outer: &OwnedFd, inner: i32) -> io::Result<i32> {
    /// What `BPF_MAP_UPDATE_ELEM` reads.
    #[repr(C)]
    struct Update {
        map: u32,
        pad: u32,
        key: u64,
        value: u64,
        flags: u64,
    }

    let key = 0_u32;
    let mut update = Update {
        map: outer.as_raw_fd() as u32,
        pad: 0,
        key: (&raw const key) as u64,
        value: (&raw const inner) as u64,
        flags: 0,
    };
    bpf(bpf_cmd::BPF_MAP_UPDATE_ELEM as i32, &mut update)
}
