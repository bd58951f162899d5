//! Constant allowed traffic: datagrams counted where they leave and where they arrive, and TCP
//! connections beside them.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Result;
use lab::flow::Family;
use lab::host::Host;
use lab::interrupt;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

/// 5,000 datagrams a second.
const PACE: Duration = Duration::from_micros(200);
/// Datagrams on the way; a veth queue has room for 256 (drivers/net/veth.c).
const WINDOW: u64 = 64;
/// After that long without an arrival the datagrams on the way are taken for lost.
const GIVEN_UP: Duration = Duration::from_millis(200);
const CONNECT_PACE: Duration = Duration::from_millis(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// A connect that takes so long was answered only after its SYN was repeated.
const REPEATED: Duration = Duration::from_millis(900);
/// Room for seconds of traffic, so that a busy receiver loses nothing.
const RECEIVE_BUFFER: usize = 64 << 20;
/// How long the last datagrams may take.
const REST: Duration = Duration::from_millis(300);

/// What was counted.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) sent: u64,
    /// The sending host had no room: never on the wire.
    pub(crate) refused_by_sender: u64,
    pub(crate) received: u64,
    pub(crate) connects: u64,
    pub(crate) failed_connects: u64,
}

/// Traffic that flows until it is asked to end.
pub(crate) struct Traffic {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<io::Result<io::Result<()>>>>,
}

#[derive(Default)]
struct Shared {
    ended: AtomicBool,
    silent: AtomicBool,
    sent: AtomicU64,
    refused: AtomicU64,
    received: AtomicU64,
    connects: AtomicU64,
    failed_connects: AtomicU64,
}

impl Shared {
    /// Lets no more than a window of datagrams be on the way, so that a slow machine's queues never
    /// overflow: what is lost is lost to the filter. Returns how many are taken for lost.
    fn wait_for_arrivals(&self, mut lost: u64) -> u64 {
        let begin = Instant::now();
        loop {
            let sent = self.sent.load(Ordering::Relaxed);
            let on_the_way = sent.saturating_sub(self.received.load(Ordering::Relaxed) + lost);
            if on_the_way < WINDOW {
                return lost;
            }
            if begin.elapsed() > GIVEN_UP {
                lost += on_the_way;
            }
            thread::sleep(PACE);
        }
    }
}

impl Traffic {
    /// Starts receivers, then senders.
    pub(crate) fn start(
        client: &Host,
        internet: &Host,
        datagrams: &[SocketAddr],
        connect: SocketAddr,
    ) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let mut threads = Vec::new();
        for address in datagrams {
            let (shared, socket) = (Arc::clone(&shared), internet.run(|| receiver(*address))??);
            threads.push(internet.thread(move || receive(&shared, &socket)));
        }
        let (sending, targets) = (Arc::clone(&shared), datagrams.to_vec());
        threads.push(client.thread(move || send(&sending, &targets)));
        let connecting = Arc::clone(&shared);
        threads.push(client.thread(move || connect_often(&connecting, connect)));
        Ok(Self { shared, threads })
    }

    /// Stops the senders, lets the receivers have the rest, and counts.
    pub(crate) fn end(mut self) -> Result<Counted> {
        self.shared.silent.store(true, Ordering::Relaxed);
        interrupt::sleep(REST)?;
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("traffic does not panic")??;
        }
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Counted {
            sent: count(&self.shared.sent),
            refused_by_sender: count(&self.shared.refused),
            received: count(&self.shared.received),
            connects: count(&self.shared.connects),
            failed_connects: count(&self.shared.failed_connects),
        })
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.shared.silent.store(true, Ordering::Relaxed);
        self.shared.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // Only an interrupted or failed drill comes here; it has its own error.
            let _ = thread.join();
        }
    }
}

fn receiver(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    Ok(socket)
}

fn receive(shared: &Shared, socket: &UdpSocket) -> io::Result<()> {
    let mut buffer = [0; 64];
    while !shared.ended.load(Ordering::Relaxed) {
        if socket.recv(&mut buffer).is_ok() {
            shared.received.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

fn send(shared: &Shared, targets: &[SocketAddr]) -> io::Result<()> {
    let sockets: Vec<UdpSocket> = targets
        .iter()
        .map(|target| {
            let socket = UdpSocket::bind(Family::of(target.ip()).any(0))?;
            socket.connect(target)?;
            Ok(socket)
        })
        .collect::<io::Result<_>>()?;
    let mut lost = 0;
    for (number, socket) in (0u32..).zip(sockets.iter().cycle()) {
        if shared.silent.load(Ordering::Relaxed) {
            break;
        }
        let counter = match socket.send(&number.to_be_bytes()) {
            Ok(_) => &shared.sent,
            Err(_) => &shared.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        thread::sleep(PACE);
        lost = shared.wait_for_arrivals(lost);
    }
    Ok(())
}

fn connect_often(shared: &Shared, target: SocketAddr) -> io::Result<()> {
    while !shared.silent.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let connected = TcpStream::connect_timeout(&target, CONNECT_LIMIT);
        shared.connects.fetch_add(1, Ordering::Relaxed);
        if connected.is_err() || begin.elapsed() >= REPEATED {
            shared.failed_connects.fetch_add(1, Ordering::Relaxed);
        }
        thread::sleep(CONNECT_PACE);
    }
    Ok(())
}
