//! What has happened, or happens meanwhile, where commands of the README are typed.

pub mod dns;
pub mod doctor;
pub mod feed;
pub mod manual;
pub mod staging;
pub mod start;
pub mod strict;
pub mod trial;
pub mod walk;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result};
use lab::address::LAN;
use lab::dns as resolver;
use lab::flow::Family;
use lab::host::Host;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType};

const LIMIT: Duration = Duration::from_secs(5);

/// A host connects to who answers.
pub fn connect(host: &Host, to: &str) -> Result<()> {
    let to: SocketAddr = to.parse().with_context(|| to.to_owned())?;
    host.run(|| TcpStream::connect_timeout(&to, LIMIT))?
        .with_context(|| to.to_string())?;
    Ok(())
}

/// A host sends one SYN from an address of its own, whatever comes of it: a socket that waited would repeat it.
pub fn knock(host: &Host, from: Ipv4Addr, to: &str) -> Result<()> {
    let to: SocketAddr = to.parse().with_context(|| to.to_owned())?;
    host.run(|| {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
        net::bind(&socket, &SocketAddr::from((from, 0)))?;
        match net::connect(&socket, &to) {
            Err(Errno::INPROGRESS) => Ok(()),
            other => other.with_context(|| to.to_string()),
        }
    })?
}

/// A host sends a datagram of six bytes.
pub fn send(host: &Host, to: &str) -> Result<()> {
    host.run(|| -> Result<()> {
        let socket = UdpSocket::bind("0.0.0.0:0")?;
        socket.send_to(b"egress", to)?;
        Ok(())
    })?
}

/// A host asks the gateway for a name.
pub fn resolve(host: &Host, name: &str) -> Result<IpAddr> {
    Ok(host.run(|| resolver::resolve(LAN.v4.into(), name, Family::Ipv4, LIMIT))??)
}
