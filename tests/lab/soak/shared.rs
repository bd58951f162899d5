//! What the soak's threads have in common: what holds at the moment, what was sent, and what arrived.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::arrivals::Arrivals;
use super::datagram::Datagram;
use super::ledger::Ledger;
use super::way::{Promise, Way};

const WAYS: usize = Way::ALL.len();

/// Shared by all threads.
#[derive(Debug, Default)]
pub struct Shared {
    /// Nothing is sent any more.
    pub silent: AtomicBool,
    /// Nothing is waited for any more.
    pub ended: AtomicBool,
    /// What was sent, by counter.
    pub ledger: Ledger,
    /// Counts how often links went and came back: odd while one is away.
    blindness: AtomicU64,
    /// Counts how often daemons were killed and replaced: odd while none is there, or is about to go.
    deaths: AtomicU64,
    toggled: AtomicU8,
    sent: [AtomicU64; WAYS],
    numbered: [AtomicU64; WAYS],
    thrown: Mutex<BTreeMap<&'static str, u64>>,
    arrivals: Mutex<Arrivals>,
    complaints: Mutex<Vec<(Instant, String)>>,
}

impl Shared {
    pub fn new() -> Self {
        Self {
            toggled: AtomicU8::new(Promise::Open as u8),
            ..Self::default()
        }
    }

    /// Whether a link is away, or just was.
    pub fn is_blind(&self) -> bool {
        !self.blindness.load(Ordering::Relaxed).is_multiple_of(2)
    }

    /// Changes whenever a link goes or has come back.
    pub fn blindness(&self) -> u64 {
        self.blindness.load(Ordering::Relaxed)
    }

    /// A link will go, or has come back.
    pub fn turn_blind(&self, is_blind: bool) {
        if is_blind != self.is_blind() {
            self.blindness.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Changes whenever a daemon will be killed, or has a successor.
    pub fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// Whether a daemon is about to be killed, or has no successor yet.
    pub fn is_dying(&self) -> bool {
        !self.deaths().is_multiple_of(2)
    }

    /// A daemon will be killed, or has a successor.
    pub fn turn_dying(&self, is_dying: bool) {
        if is_dying != self.is_dying() {
            self.deaths.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What holds from now on for the prefix that the feed gives and takes.
    pub fn promise(&self, promise: Promise) {
        self.toggled.store(promise as u8, Ordering::Relaxed);
    }

    /// Sends one datagram of a way.
    pub fn send(&self, socket: &UdpSocket, way: Way, to: SocketAddr) {
        let (promise, is_blind) = (self.promise_of(way), self.is_blind());
        let must_arrive = promise == Promise::Passes && !is_blind;
        let numbered = &self.numbered[way as usize];
        let datagram = Datagram {
            way,
            promise,
            number: must_arrive.then(|| numbered.load(Ordering::Relaxed)),
        };
        // One thread sends a way. What its host refuses was never on the wire.
        if socket.send_to(&datagram.to_bytes(), to).is_ok() {
            self.sent[way as usize].fetch_add(1, Ordering::Relaxed);
            numbered.fetch_add(must_arrive.into(), Ordering::Relaxed);
            self.ledger.datagram(way, promise, is_blind);
        }
    }

    /// Datagrams of a way that were sent.
    pub fn sent(&self, way: Way) -> u64 {
        self.sent[way as usize].load(Ordering::Relaxed)
    }

    /// Those of them that must arrive.
    pub fn numbered(&self, way: Way) -> u64 {
        self.numbered[way as usize].load(Ordering::Relaxed)
    }

    /// Datagrams of all ways that must arrive.
    pub fn all_numbered(&self) -> u64 {
        Way::ALL.into_iter().map(|way| self.numbered(way)).sum()
    }

    /// Counts something that was thrown.
    pub fn threw(&self, what: &'static str) {
        *locked(&self.thrown).entry(what).or_default() += 1;
    }

    /// What was thrown so far, by name.
    pub fn thrown(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.thrown).clone()
    }

    /// Tells of something that must not be.
    pub fn complain(&self, complaint: String) {
        locked(&self.complaints).push((Instant::now(), complaint));
    }

    /// What was told since this was asked last.
    pub fn complaints(&self) -> Vec<(Instant, String)> {
        std::mem::take(&mut *locked(&self.complaints))
    }

    pub fn arrivals(&self) -> MutexGuard<'_, Arrivals> {
        locked(&self.arrivals)
    }

    /// Takes one datagram in; nothing within the socket's limit is fine.
    pub fn receive(&self, socket: &UdpSocket) -> io::Result<()> {
        let mut bytes = [0; 64];
        match socket.recv(&mut bytes) {
            Ok(length) => {
                if let Some(datagram) = bytes.get(..length).and_then(Datagram::read) {
                    self.arrivals().note(datagram, Instant::now());
                }
                Ok(())
            }
            Err(error) if is_patience(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn promise_of(&self, way: Way) -> Promise {
        if way != Way::Toggled {
            return way.promise();
        }
        let at = usize::from(self.toggled.load(Ordering::Relaxed));
        Promise::ALL.get(at).copied().unwrap_or(Promise::Open)
    }
}

/// Whether a socket's limit passed, or a signal came.
fn is_patience(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// Every change is one assignment, so a thread that panicked has left nothing half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
