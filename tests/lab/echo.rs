//! UDP servers that send back what they get, each on one address, so that the answer comes from
//! the address that was asked.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use crate::host::Host;

/// How often the threads look whether they should end.
const LOOK: Duration = Duration::from_millis(50);

/// Servers on threads of this process, which end when this is dropped.
#[derive(Debug)]
pub struct Echo {
    ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Echo {
    /// Binds all addresses inside the host, then serves them.
    pub fn start(host: &Host, addresses: &[SocketAddr]) -> Result<Self> {
        let sockets = host.run(|| bind(addresses))??;
        let ended = Arc::new(AtomicBool::new(false));
        let threads = sockets.into_iter().map(|socket| {
            let ended = Arc::clone(&ended);
            thread::spawn(move || serve(&socket, || ended.load(Ordering::Relaxed)))
        });
        Ok(Self {
            threads: threads.collect(),
            ended,
        })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A server that failed has shown itself in the flow that needed it.
            let _ = thread.join();
        }
    }
}

/// One socket for each address.
pub fn bind(addresses: &[SocketAddr]) -> io::Result<Vec<UdpSocket>> {
    addresses.iter().map(UdpSocket::bind).collect()
}

/// Sends everything back until it is told to end.
pub fn serve(socket: &UdpSocket, ended: impl Fn() -> bool) -> io::Result<()> {
    socket.set_read_timeout(Some(LOOK))?;
    let mut buffer = [0; 2048];
    while !ended() {
        if let Ok((length, sender)) = socket.recv_from(&mut buffer) {
            socket.send_to(&buffer[..length], sender)?;
        }
    }
    Ok(())
}
