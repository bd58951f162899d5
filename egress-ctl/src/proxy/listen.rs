//! Listeners for connections to addresses of others.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use egress_common::divert::RELAYED;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// A listener of IPv4. It is bound to the loopback address, so that nobody reaches it but through the
/// program at LAN ingress, and processes of this machine; with `IP_TRANSPARENT` its connections have
/// whatever address they were sent to. `SO_REUSEADDR`, which connections inherit, lets a resolver on this
/// machine bind its port anew while they last.
///
/// # Errors
/// The kernel refused.
pub(super) fn v4() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_ip_transparent_v4(true)?;
    bound(socket, (Ipv4Addr::LOCALHOST, 0).into())
}

/// A listener of IPv6, likewise.
///
/// # Errors
/// The kernel refused, or has no IPv6.
pub(super) fn v6() -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV6, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_only_v6(true)?;
    socket.set_ip_transparent_v6(true)?;
    bound(socket, (Ipv6Addr::LOCALHOST, 0).into())
}

fn bound(socket: Socket, at: SocketAddr) -> io::Result<Socket> {
    // Not `SO_REUSEPORT`: before Linux 6.6 a program cannot give packets to such a socket.
    socket.set_reuse_address(true)?;
    // Its connections inherit it.
    socket.set_mark(RELAYED)?;
    socket.set_nonblocking(true)?;
    socket.bind(&at.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}
