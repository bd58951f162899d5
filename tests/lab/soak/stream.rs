//! Datagrams on every way that always leads to one place, as many as the receivers keep up with.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::shared::Shared;
use super::way::Way;
use crate::flow::Family;

/// One of each way so often.
const PACE: Duration = Duration::from_millis(4);
/// Datagrams on the way that must arrive; a veth queue has room for 256 of all kinds (drivers/net/veth.c).
const WINDOW: u64 = 48;
/// After that long without an arrival the datagrams on the way are taken for lost.
const GIVEN_UP: Duration = Duration::from_millis(200);
/// Room for seconds of traffic, so that a busy receiver loses nothing.
const RECEIVE_BUFFER: usize = 64 << 20;

/// A socket that takes what comes to a port of any address, of both families.
pub fn receiver(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

/// Receives until everything has ended.
pub fn receive(shared: &Shared, socket: &UdpSocket) -> Result<()> {
    while !shared.ended.load(Ordering::Relaxed) {
        shared.receive(socket)?;
    }
    Ok(())
}

/// Sends until nothing is to be sent any more.
pub fn send(shared: &Shared) -> Result<()> {
    let sockets = Sockets::open()?;
    let mut lost = 0;
    while !shared.silent.load(Ordering::Relaxed) {
        for way in Way::ALL {
            if let Some(to) = way.target() {
                shared.send(sockets.of(to.ip()), way, to);
            }
        }
        thread::sleep(PACE);
        lost = wait_for_arrivals(shared, lost);
    }
    Ok(())
}

/// A socket of each family.
pub struct Sockets([UdpSocket; 2]);

impl Sockets {
    pub fn open() -> io::Result<Self> {
        let any = |family: Family| UdpSocket::bind(SocketAddr::new(family.any(0).ip(), 0));
        Ok(Self([any(Family::Ipv4)?, any(Family::Ipv6)?]))
    }

    pub fn of(&self, address: IpAddr) -> &UdpSocket {
        let [v4, v6] = &self.0;
        if address.is_ipv4() { v4 } else { v6 }
    }
}

/// Lets no more than a window be on the way, so that a slow machine's queues never overflow: what is lost is
/// lost to the filter. Returns how many are taken for lost.
fn wait_for_arrivals(shared: &Shared, mut lost: u64) -> u64 {
    let began = Instant::now();
    loop {
        let gone = shared.arrivals().arrived() + lost;
        let on_the_way = shared.all_numbered().saturating_sub(gone);
        if on_the_way < WINDOW {
            return lost;
        }
        if began.elapsed() > GIVEN_UP {
            lost += on_the_way;
        }
        thread::sleep(PACE);
    }
}
