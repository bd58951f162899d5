//! IP packets as one writes them, onto the wire: nobody checks who they say that they come from.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sendto, socket_with,
};

use crate::flow::Family;
use crate::frame::Frame;
use crate::host::Host;

/// A way out of a host, for packets of one family.
#[derive(Debug)]
pub struct Raw(OwnedFd);

impl Raw {
    /// Opens it.
    pub fn open(host: &Host, family: Family) -> Result<Self> {
        let domain = match family {
            Family::Ipv4 => AddressFamily::INET,
            Family::Ipv6 => AddressFamily::INET6,
        };
        let open = || {
            socket_with(
                domain,
                SocketType::RAW,
                SocketFlags::CLOEXEC,
                Some(ipproto::RAW),
            )
        };
        let socket = host.run(open)?;
        Ok(Self(socket.context("cannot open a raw socket")?))
    }

    /// Sends what a frame holds from the IP header on, by the host's routes.
    pub fn send(&self, frame: &Frame) -> Result<()> {
        // IPv6 takes no port here (net/ipv6/raw.c).
        let to: (IpAddr, u16) = (frame.dst, 0);
        sendto(
            &self.0,
            &frame.packet(),
            SendFlags::empty(),
            &SocketAddr::from(to),
        )
        .with_context(|| format!("cannot send from {} to {}", frame.src, frame.dst))?;
        Ok(())
    }
}
