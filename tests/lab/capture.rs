//! Frames as they arrive at a host: what its interfaces receive comes out, unfiltered.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, recv, socket};

use crate::host::Host;

/// Listens on all interfaces of a host.
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
}

impl Capture {
    /// Listens from now on.
    pub fn start(host: &Host) -> Result<Self> {
        Ok(Self {
            socket: host.run(open)?.context("cannot listen to frames")?,
        })
    }

    /// The first frame for which `wanted` finds something, and that; none where there is none in time.
    pub fn find<T>(
        &self,
        limit: Duration,
        mut wanted: impl FnMut(&[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        let end = Instant::now() + limit;
        let mut frame = [0; 4096];
        while Instant::now() < end {
            match recv(&self.socket, &mut frame[..], RecvFlags::empty()) {
                Ok((_, length)) => {
                    if let Some(found) = wanted(&frame[..length.min(frame.len())]) {
                        return Ok(Some(found));
                    }
                }
                Err(fault) if io::Error::from(fault).kind() == io::ErrorKind::WouldBlock => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(None)
    }
}

fn open() -> io::Result<OwnedFd> {
    /// ETH_P_ALL (linux/if_ether.h), in network byte order.
    const ALL: u32 = 0x0003_u16.to_be() as u32;

    /// Bytes of frames that wait to be looked at.
    const ROOM: usize = 1 << 22;

    let every = std::num::NonZeroU32::new(ALL).map(Protocol::from_raw);
    let socket = socket(AddressFamily::PACKET, SocketType::RAW, every)?;
    set_socket_recv_buffer_size_force(&socket, ROOM)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(50)))?;
    Ok(socket)
}
