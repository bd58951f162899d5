//! Datagrams that are allowed and that are not, each with the time when it was sent, and which of them arrive.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;
use egress_ctl::dataplane::boot_ms;
use lab::host::Host;
use lab::interrupt;
use lab::pace::is_slow;
use serde::Serialize;

/// One of each kind so often.
fn pace() -> Duration {
    Duration::from_millis(if is_slow() { 20 } else { 2 })
}

/// How long the last ones may take.
fn rest() -> Duration {
    Duration::from_millis(if is_slow() { 3_000 } else { 300 })
}

/// Where they go: to one address, on a port that the policy allows there and on one that it does not.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: Ipv4Addr,
    pub(crate) allowed: u16,
    pub(crate) denied: u16,
}

/// A datagram: when it was sent, in boot-time ms, and which one it is.
type Datagram = (u64, u64);
type Handle<T> = JoinHandle<io::Result<io::Result<T>>>;

/// Datagrams that flow until they are asked to end.
pub(crate) struct Stream {
    silent: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    sender: Handle<[Vec<Datagram>; 2]>,
    receivers: [Handle<HashSet<Datagram>>; 2],
}

/// What was sent, and what of it arrived, of both kinds.
pub(crate) struct Seen([(Vec<Datagram>, HashSet<Datagram>); 2]);

/// How many were sent and how many arrived.
#[derive(Clone, Copy, Default, Serialize)]
pub(crate) struct Arrived {
    sent: usize,
    arrived: usize,
}

impl Stream {
    pub(crate) fn start(client: &Host, internet: &Host, target: Target) -> Result<Self> {
        let (silent, ended) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let receiver = |port| -> Result<_> {
            let ended = Arc::clone(&ended);
            let socket = internet.run(|| UdpSocket::bind((target.address, port)))??;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            Ok(internet.thread(move || receive(&ended, &socket)))
        };
        let receivers = [receiver(target.allowed)?, receiver(target.denied)?];
        let quiet = Arc::clone(&silent);
        Ok(Self {
            sender: client.thread(move || send(&quiet, target)),
            receivers,
            silent,
            ended,
        })
    }

    /// Stops, lets the last ones arrive, and tells.
    pub(crate) fn end(self) -> Result<Seen> {
        self.silent.store(true, Ordering::Relaxed);
        interrupt::sleep(rest())?;
        self.ended.store(true, Ordering::Relaxed);
        let [sent_allowed, sent_denied] = joined(self.sender)?;
        let [allowed, denied] = self.receivers;
        Ok(Seen([
            (sent_allowed, joined(allowed)?),
            (sent_denied, joined(denied)?),
        ]))
    }
}

fn joined<T>(handle: Handle<T>) -> Result<T> {
    Ok(handle.join().expect("datagrams do not panic")??)
}

fn send(silent: &AtomicBool, target: Target) -> io::Result<[Vec<Datagram>; 2]> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut sent = [Vec::new(), Vec::new()];
    for number in 0_u64.. {
        if silent.load(Ordering::Relaxed) {
            break;
        }
        for (port, sent) in [target.allowed, target.denied].into_iter().zip(&mut sent) {
            let datagram = (boot_ms(), number);
            let mut bytes = datagram.0.to_be_bytes().to_vec();
            bytes.extend(datagram.1.to_be_bytes());
            if socket
                .send_to(&bytes, SocketAddrV4::new(target.address, port))
                .is_ok()
            {
                sent.push(datagram);
            }
        }
        thread::sleep(pace());
    }
    Ok(sent)
}

fn receive(ended: &AtomicBool, socket: &UdpSocket) -> io::Result<HashSet<Datagram>> {
    let mut bytes = [0; 16];
    let mut arrived = HashSet::new();
    while !ended.load(Ordering::Relaxed) {
        if socket.recv(&mut bytes).is_ok() {
            let whole = u128::from_be_bytes(bytes);
            arrived.insert(((whole >> 64) as u64, whole as u64));
        }
    }
    Ok(arrived)
}

impl Seen {
    /// Those that the policy allows.
    pub(crate) fn allowed(&self) -> Arrived {
        let [(sent, arrived), _] = &self.0;
        count(sent.iter(), arrived)
    }

    /// Those that it does not allow, sent between two times.
    pub(crate) fn denied(&self, from_ms: u64, to_ms: u64) -> Arrived {
        let [_, (sent, arrived)] = &self.0;
        let sent = sent.iter().filter(|(at, _)| (from_ms..to_ms).contains(at));
        count(sent, arrived)
    }

    /// When the first of these was sent behind a time that arrived, or that did not.
    pub(crate) fn first_denied(&self, from_ms: u64, arrives: bool) -> Option<u64> {
        let [_, (sent, arrived)] = &self.0;
        let mut behind = sent.iter().filter(|(at, _)| *at >= from_ms);
        let first = behind.find(|datagram| arrived.contains(datagram) == arrives);
        first.map(|(at, _)| *at)
    }
}

fn count<'a>(sent: impl Iterator<Item = &'a Datagram>, arrived: &HashSet<Datagram>) -> Arrived {
    let mut count = Arrived::default();
    for datagram in sent {
        count.sent += 1;
        count.arrived += usize::from(arrived.contains(datagram));
    }
    count
}

impl Arrived {
    /// Whether there were some, and all of them arrived, or none did.
    pub(crate) fn all(self, arrive: bool) -> bool {
        let expected = if arrive { self.sent } else { 0 };
        self.sent > 0 && self.arrived == expected
    }
}

impl fmt::Display for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.arrived, self.sent)
    }
}
