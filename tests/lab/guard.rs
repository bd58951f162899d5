//! Whether enforcement is unchanged, told by packets: datagrams that are allowed and that are not flow all the
//! time, whatever becomes of the daemon meanwhile.

use std::collections::HashSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::config::custom;
use crate::pace;
use crate::topology::Lab;

/// Where they go.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const ALLOWED: u16 = 4500;
const DENIED: u16 = 4501;
/// One of each kind so often.
const PACE: Duration = Duration::from_millis(10);
/// Room for what a busy receiver has not taken yet.
const RECEIVE_BUFFER: usize = 8 << 20;
/// How often a receiver looks whether it should end.
const LOOK: Duration = Duration::from_millis(50);
/// So many of each kind are waited for in the end; fewer than half of them show nothing.
const LEAST: u32 = 20;

/// A config in mode enforce that allows one kind and not the other.
pub fn config() -> String {
    custom("[[source.lab.set]]\nid = 1\nips = [\"203.0.113.0/24\"]\nudpPorts = \"4500\"\n")
}

type Numbers = JoinHandle<io::Result<io::Result<HashSet<u64>>>>;

/// Datagrams that flow until they are asked to end.
#[derive(Debug)]
pub struct Guard {
    silent: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    sender: Numbers,
    allowed: Numbers,
    denied: Numbers,
}

impl Guard {
    /// From the client to the internet; a gateway must enforce [`config`], or more than it.
    pub fn start(lab: &Lab) -> Result<Self> {
        let (silent, ended) = (Arc::default(), Arc::default());
        let receiver = |port| -> Result<Numbers> {
            let ended: Arc<AtomicBool> = Arc::clone(&ended);
            let socket = lab.internet.run(|| UdpSocket::bind((ADDRESS, port)))??;
            socket.set_read_timeout(Some(LOOK))?;
            set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)?;
            Ok(lab.internet.thread(move || receive(&ended, &socket)))
        };
        let (allowed, denied) = (receiver(ALLOWED)?, receiver(DENIED)?);
        let quiet = Arc::clone(&silent);
        Ok(Self {
            sender: lab.client.thread(move || send(&quiet)),
            silent,
            ended,
            allowed,
            denied,
        })
    }

    /// Stops, and fails where an allowed one was lost or another one passed.
    pub fn end(self) -> Result<()> {
        thread::sleep(PACE * LEAST);
        self.silent.store(true, Ordering::Relaxed);
        let sent = joined(self.sender)?;
        thread::sleep(rest());
        self.ended.store(true, Ordering::Relaxed);
        let (allowed, denied) = (joined(self.allowed)?, joined(self.denied)?);
        let lost = sent.difference(&allowed).count();
        let count = sent.len();
        ensure!(
            count >= LEAST as usize / 2,
            "only {count} datagrams were sent"
        );
        ensure!(lost == 0, "{lost} of {count} allowed datagrams were lost");
        let passed = denied.len();
        ensure!(
            passed == 0,
            "{passed} of {count} datagrams passed that are not allowed"
        );
        Ok(())
    }
}

/// How long the last ones may take.
fn rest() -> Duration {
    Duration::from_millis(if pace::is_slow() { 3_000 } else { 500 })
}

fn joined(numbers: Numbers) -> Result<HashSet<u64>> {
    Ok(numbers.join().expect("datagrams do not panic")??)
}

fn send(silent: &AtomicBool) -> io::Result<HashSet<u64>> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut sent = HashSet::new();
    for number in 0_u64.. {
        if silent.load(Ordering::Relaxed) {
            break;
        }
        for port in [ALLOWED, DENIED] {
            let to = SocketAddr::from((ADDRESS, port));
            if socket.send_to(&number.to_be_bytes(), to).is_ok() && port == ALLOWED {
                sent.insert(number);
            }
        }
        thread::sleep(PACE);
    }
    Ok(sent)
}

fn receive(ended: &AtomicBool, socket: &UdpSocket) -> io::Result<HashSet<u64>> {
    let mut bytes = [0; 8];
    let mut arrived = HashSet::new();
    while !ended.load(Ordering::Relaxed) {
        if socket.recv(&mut bytes).is_ok() {
            arrived.insert(u64::from_be_bytes(bytes));
        }
    }
    Ok(arrived)
}
