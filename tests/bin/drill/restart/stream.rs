//! Datagrams at a steady rate, numbered on each way: how many left, and which of them arrived.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::flow::Family;
use lab::host::Host;
use lab::interrupt;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use super::way::{PORT, WAYS, WRONG_PORT, Way};

/// One of each way so often.
const PACE: Duration = Duration::from_millis(1);
/// Allowed datagrams on the way; a veth queue has room for 256, of all ways (drivers/net/veth.c).
const WINDOW: u64 = 48;
/// After that long without an arrival the datagrams on the way are taken for lost.
const GIVEN_UP: Duration = Duration::from_millis(200);
/// Room for seconds of traffic, so that a busy receiver loses nothing.
const RECEIVE_BUFFER: usize = 64 << 20;
/// How long the last datagrams may take.
const REST: Duration = Duration::from_millis(300);
/// Bytes of a datagram: its way and its number.
const BYTES: usize = 9;

type Handle<T> = JoinHandle<io::Result<io::Result<T>>>;

/// Datagrams that flow until they are asked to end.
pub(super) struct Stream {
    shared: Arc<Shared>,
    sender: Handle<Sent>,
    receivers: [Handle<Arrived>; 2],
}

#[derive(Default)]
struct Shared {
    silent: AtomicBool,
    ended: AtomicBool,
    /// The address that was learned last; none where it is 0.
    fresh: AtomicU32,
    /// Allowed datagrams.
    received: AtomicU64,
}

/// What left, by way.
#[derive(Default)]
pub(super) struct Sent {
    pub(super) of: [u64; WAYS],
    /// The sending host had no room: never on the wire.
    pub(super) refused: u64,
    /// The longest time between two rounds of datagrams.
    pub(super) pause: Duration,
}

/// What arrived, by way.
#[derive(Default)]
pub(super) struct Arrived {
    pub(super) of: [u64; WAYS],
    /// The longest time between two arrivals on one way.
    pub(super) gap: Duration,
}

impl Stream {
    /// Starts receivers, then the sender.
    pub(super) fn start(client: &Host, internet: &Host) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let receiver = |port| -> Result<_> {
            let socket = internet.run(|| receiver(port))??;
            let shared = Arc::clone(&shared);
            Ok(internet.thread(move || receive(&shared, &socket)))
        };
        let receivers = [receiver(PORT)?, receiver(WRONG_PORT)?];
        let sending = Arc::clone(&shared);
        Ok(Self {
            sender: client.thread(move || send(&sending)),
            receivers,
            shared,
        })
    }

    /// From now on datagrams go to this address as well, in place of the one before.
    pub(super) fn reach(&self, fresh: Ipv4Addr) {
        self.shared.fresh.store(fresh.to_bits(), Ordering::Relaxed);
    }

    /// Stops, lets the last ones arrive, and tells.
    pub(super) fn end(self) -> Result<(Sent, Arrived)> {
        self.shared.silent.store(true, Ordering::Relaxed);
        interrupt::sleep(REST)?;
        self.shared.ended.store(true, Ordering::Relaxed);
        let sent = joined(self.sender)?;
        let [on_port, elsewhere] = self.receivers;
        Ok((sent, joined(on_port)?.and(&joined(elsewhere)?)))
    }
}

impl Arrived {
    fn and(mut self, other: &Self) -> Self {
        for (sum, more) in self.of.iter_mut().zip(other.of) {
            *sum += more;
        }
        Self {
            gap: self.gap.max(other.gap),
            ..self
        }
    }
}

fn joined<T>(handle: Handle<T>) -> Result<T> {
    Ok(handle.join().expect("datagrams do not panic")??)
}

/// Takes what comes to a port of any address, of both families.
fn receiver(port: u16) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port))?;
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

fn receive(shared: &Shared, socket: &UdpSocket) -> io::Result<Arrived> {
    let mut bytes = [0; BYTES];
    let mut arrived = Arrived::default();
    let mut last: [Option<(u64, Instant)>; WAYS] = [None; WAYS];
    while !shared.ended.load(Ordering::Relaxed) {
        let Ok(BYTES) = socket.recv(&mut bytes) else {
            continue;
        };
        let [way, number @ ..] = bytes;
        let (at, number) = (usize::from(way), u64::from_be_bytes(number));
        let (Some(way), Some(last)) = (Way::ALL.get(at), last.get_mut(at)) else {
            continue;
        };
        // One way has one path: what comes twice or late is not counted.
        if last.is_some_and(|(newest, _)| number <= newest) {
            continue;
        }
        let now = Instant::now();
        let gap = last.map(|(_, then)| now - then).unwrap_or_default();
        arrived.gap = arrived.gap.max(gap);
        *last = Some((number, now));
        arrived.of[at] += 1;
        if way.is_allowed() {
            shared.received.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(arrived)
}

fn send(shared: &Shared) -> io::Result<Sent> {
    let [v4, v6] = [Family::Ipv4, Family::Ipv6].map(|family| UdpSocket::bind(family.any(0)));
    let (v4, v6) = (v4?, v6?);
    let mut sent = Sent::default();
    let (mut lost, mut last) = (0, Instant::now());
    while !shared.silent.load(Ordering::Relaxed) {
        let fresh = shared.fresh.load(Ordering::Relaxed);
        for (at, way) in (0_u8..).zip(Way::ALL) {
            let Some(to) = way.target(Ipv4Addr::from_bits(fresh)) else {
                continue;
            };
            let socket = match to {
                SocketAddr::V4(_) => &v4,
                SocketAddr::V6(_) => &v6,
            };
            let count = &mut sent.of[usize::from(at)];
            let mut bytes = [at; BYTES];
            bytes[1..].copy_from_slice(&count.to_be_bytes());
            match socket.send_to(&bytes, to) {
                Ok(_) => *count += 1,
                Err(_) => sent.refused += 1,
            }
        }
        thread::sleep(PACE);
        lost = wait_for_arrivals(shared, sent.allowed(), lost);
        sent.pause = sent.pause.max(last.elapsed());
        last = Instant::now();
    }
    Ok(sent)
}

/// Lets no more than a window of datagrams be on the way, so that a slow machine's queues never overflow: what
/// is lost is lost to the filter. Returns how many are taken for lost.
fn wait_for_arrivals(shared: &Shared, sent: u64, mut lost: u64) -> u64 {
    let began = Instant::now();
    loop {
        let gone = shared.received.load(Ordering::Relaxed) + lost;
        let on_the_way = sent.saturating_sub(gone);
        if on_the_way < WINDOW {
            return lost;
        }
        if began.elapsed() > GIVEN_UP {
            lost += on_the_way;
        }
        thread::sleep(PACE);
    }
}

impl Sent {
    /// Datagrams that the policy allows.
    pub(super) fn allowed(&self) -> u64 {
        sum(&self.of, true)
    }

    /// Those that it does not.
    pub(super) fn denied(&self) -> u64 {
        sum(&self.of, false)
    }
}

impl Arrived {
    /// Datagrams that the policy allows.
    pub(super) fn allowed(&self) -> u64 {
        sum(&self.of, true)
    }

    /// Those that it does not.
    pub(super) fn denied(&self) -> u64 {
        sum(&self.of, false)
    }
}

fn sum(counts: &[u64; WAYS], allowed: bool) -> u64 {
    let of_kind = Way::ALL
        .iter()
        .zip(counts)
        .filter(|(way, _)| way.is_allowed() == allowed);
    of_kind.map(|(_, count)| count).sum()
}
