//! Links by their numbers, also those of others: what aya does not ask the kernel for.

use std::{
    ffi::CString,
    io,
    mem::size_of,
    os::{
        fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
};

use aya::programs::{TcAttachType, links::LinkType, loaded_links};

use super::syscall::bpf;

/// A link that holds an XDP program.
pub struct XdpLink {
    /// The link.
    pub fd: OwnedFd,
    /// Index of its interface; 0 where it was detached. Other network namespaces have the same ones.
    pub interface: u32,
    /// Number of the program that it holds.
    pub program: u32,
}

/// Commands of bpf(2) (linux/bpf.h).
const OBJ_PIN: libc::c_int = 6;
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;
const PROG_QUERY: libc::c_int = 16;
const LINK_GET_FD_BY_ID: libc::c_int = 30;

/// Hooks (`enum bpf_attach_type`, linux/bpf.h).
const TCX_INGRESS: u32 = 46;
const TCX_EGRESS: u32 = 47;

/// All links that hold XDP programs, as far as they still exist.
pub fn xdp_links() -> impl Iterator<Item = XdpLink> {
    let links = loaded_links().filter_map(Result::ok);
    let of_xdp = links.filter(|link| matches!(link.link_type(), Ok(LinkType::Xdp)));
    of_xdp.filter_map(|link| {
        let fd = by_id(link.id()).ok()?;
        let Info {
            interface, program, ..
        } = info(&fd).ok()?;
        Some(XdpLink {
            fd,
            interface,
            program,
        })
    })
}

/// Pins a link, which then holds on to its interface for as long as the pin is there.
///
/// # Errors
/// The kernel refused.
pub fn pin(link: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    #[repr(C)]
    struct Pin {
        path: u64,
        fd: u32,
        flags: u32,
    }

    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut pin = Pin {
        path: path.as_ptr() as u64,
        fd: link.as_raw_fd() as u32,
        flags: 0,
    };
    bpf(OBJ_PIN, &mut pin).map(drop)
}

fn by_id(id: u32) -> io::Result<OwnedFd> {
    #[repr(C)]
    struct ById {
        id: u32,
        next_id: u32,
        open_flags: u32,
    }

    let mut by_id = ById {
        id,
        next_id: 0,
        open_flags: 0,
    };
    let fd = bpf(LINK_GET_FD_BY_ID, &mut by_id)?;
    // SAFETY: the kernel made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// The beginning of `struct bpf_link_info` (linux/bpf.h), for a link of XDP.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    program: u32,
    pad: u32,
    interface: u32,
    rest: [u32; 7],
}

fn info(link: &OwnedFd) -> io::Result<Info> {
    #[repr(C)]
    struct Ask {
        fd: u32,
        len: u32,
        info: u64,
    }

    let mut info = Info::default();
    let mut ask = Ask {
        fd: link.as_raw_fd() as u32,
        len: size_of::<Info>() as u32,
        info: (&raw mut info) as u64,
    };
    bpf(OBJ_GET_INFO_BY_FD, &mut ask)?;
    Ok(info)
}

/// Numbers of the programs at a TCX hook. Other than aya, this asks for no more than the numbers: to open a
/// program by its number takes CAP_SYS_ADMIN.
///
/// # Errors
/// There is no such interface, or the kernel has no TCX.
pub fn tcx_programs(interface: u32, direction: TcAttachType) -> io::Result<Vec<u32>> {
    /// More than the kernel lets be there (`BPF_MPROG_MAX`, linux/bpf_mprog.h).
    const MAX: usize = 64;

    #[repr(C)]
    struct Query {
        interface: u32,
        hook: u32,
        flags: u32,
        attach_flags: u32,
        programs: u64,
        count: u32,
        pad: u32,
        program_flags: u64,
        links: u64,
        link_flags: u64,
        revision: u64,
    }

    let mut programs = vec![0_u32; MAX];
    let mut query = Query {
        interface,
        hook: match direction {
            TcAttachType::Ingress => TCX_INGRESS,
            _ => TCX_EGRESS,
        },
        flags: 0,
        attach_flags: 0,
        programs: programs.as_mut_ptr() as u64,
        count: MAX as u32,
        pad: 0,
        program_flags: 0,
        links: 0,
        link_flags: 0,
        revision: 0,
    };
    bpf(PROG_QUERY, &mut query)?;
    programs.truncate(query.count as usize);
    Ok(programs)
}
