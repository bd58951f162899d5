//! Frames onto a link, byte by byte as one writes them.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::addr::{SocketAddrArg, SocketAddrLen, SocketAddrOpaque};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, sendto, socket_with};

use crate::host::Host;
use crate::link;

/// A way onto a link.
#[derive(Debug)]
pub struct Injector {
    socket: OwnedFd,
    link: LinkAddress,
}

impl Injector {
    /// Opens it.
    pub fn open(host: &Host, link: &str) -> Result<Self> {
        let open = || {
            socket_with(
                AddressFamily::PACKET,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                None,
            )
        };
        Ok(Self {
            socket: host.run(open)?.context("cannot open a packet socket")?,
            link: LinkAddress::of(link::index(host, link)?),
        })
    }

    /// Sends a frame, from its Ethernet header on.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        sendto(&self.socket, frame, SendFlags::empty(), &self.link)
            .with_context(|| format!("cannot send a frame of {} bytes", frame.len()))?;
        Ok(())
    }
}

/// `struct sockaddr_ll` (linux/if_packet.h) with no more than a link.
#[repr(C)]
#[derive(Debug)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: u32,
    rest: [u32; 3],
}

impl LinkAddress {
    const fn of(index: u32) -> Self {
        Self {
            family: AddressFamily::PACKET.as_raw(),
            protocol: 0,
            index,
            rest: [0; 3],
        }
    }
}

// SAFETY: the address is laid out as the kernel wants it, and as long as is said.
unsafe impl SocketAddrArg for LinkAddress {
    unsafe fn with_sockaddr<R>(
        &self,
        f: impl FnOnce(*const SocketAddrOpaque, SocketAddrLen) -> R,
    ) -> R {
        f(
            (&raw const *self).cast(),
            size_of::<Self>() as SocketAddrLen,
        )
    }
}
