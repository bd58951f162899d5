//! A resolver over TCP that answers as a test tells it to, and notes who came.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hickory_proto::op::Message;

use crate::dns_tcp::framed;
use crate::host::Host;

/// How long a client may be silent.
const LIMIT: Duration = Duration::from_secs(5);

/// A resolver on threads of this process. They end with their connections; the one that accepts ends with
/// the process.
#[derive(Debug, Clone, Default)]
pub struct Scripted {
    came: Arc<Mutex<Vec<IpAddr>>>,
}

impl Scripted {
    /// Listens inside the host, and answers each query with what the script makes of it.
    pub fn start(
        host: &Host,
        at: SocketAddr,
        script: impl Fn(&Message) -> Vec<Message> + Send + Clone + 'static,
    ) -> Result<Self> {
        let listener = host.run(|| TcpListener::bind(at))?;
        let listener = listener.with_context(|| format!("cannot listen on {at}"))?;
        let scripted = Self::default();
        let came = Arc::clone(&scripted.came);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if let (Ok(peer), Ok(mut came)) = (stream.peer_addr(), came.lock()) {
                    came.push(peer.ip().to_canonical());
                }
                let script = script.clone();
                thread::spawn(move || serve(stream, &script));
            }
        });
        Ok(scripted)
    }

    /// Who came so far.
    pub fn came(&self) -> Vec<IpAddr> {
        let came = self.came.lock();
        came.map(|came| came.clone()).unwrap_or_default()
    }
}

fn serve(mut stream: TcpStream, script: &impl Fn(&Message) -> Vec<Message>) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    loop {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut bytes = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut bytes)?;
        let query = Message::from_vec(&bytes).map_err(io::Error::other)?;
        for answer in script(&query) {
            stream.write_all(&framed(&answer).map_err(io::Error::other)?)?;
        }
    }
}
