//! A download that goes on for as long as one likes: a server that sends a little ten times a second, and a client
//! that counts what comes, and the longest it had to wait.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use lab::host::Host;
use serde::Serialize;

const PORT: u16 = 8080;
const PIECE: usize = 16 << 10;
const PAUSE: Duration = Duration::from_millis(100);
/// Waited for so long, a download is cut: its packets are repeated much sooner.
const CUT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// What came of a download.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Downloaded {
    seconds: u64,
    bytes: u64,
    /// The longest time without a byte.
    longest_pause_ms: u128,
    was_cut: bool,
}

impl Downloaded {
    /// Whether it came to its end, after at least so many seconds.
    pub(super) fn is_whole(self, seconds: u64) -> bool {
        !self.was_cut && self.seconds >= seconds && self.bytes > 0
    }
}

impl fmt::Display for Downloaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seconds,
            bytes,
            longest_pause_ms,
            was_cut,
        } = self;
        let end = if *was_cut { "cut" } else { "not cut" };
        write!(
            f,
            "{end} in {seconds} s, {bytes} bytes, longest pause {longest_pause_ms} ms"
        )
    }
}

/// Serves one download inside the host, on a thread that ends with it or with the process.
pub(super) fn serve(host: &Host, at: Ipv4Addr) -> Result<SocketAddr> {
    let target = SocketAddr::new(at.into(), PORT);
    let listener = host.run(|| TcpListener::bind(target))??;
    thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        loop {
            stream.write_all(&[0; PIECE])?;
            // What the client says shows that its packets pass as well.
            stream.read_exact(&mut [0; 1])?;
            thread::sleep(PAUSE);
        }
    });
    Ok(target)
}

/// A download under way.
pub(super) struct Download {
    ended: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<io::Result<Downloaded>>>,
}

impl Download {
    /// Connects from the host, and begins.
    pub(super) fn start(host: &Host, from: SocketAddr) -> Result<Self> {
        let stream = host.run(|| TcpStream::connect_timeout(&from, CONNECT_LIMIT))??;
        stream.set_read_timeout(Some(CUT))?;
        let ended = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&ended);
        let thread = host.thread(move || download(stream, &until));
        Ok(Self { ended, thread })
    }

    /// Takes one more piece, and ends.
    pub(super) fn end(self) -> Result<Downloaded> {
        self.ended.store(true, Ordering::Relaxed);
        let done = self.thread.join();
        Ok(done.map_err(|_| anyhow!("the download panicked"))???)
    }
}

fn download(mut stream: TcpStream, ended: &AtomicBool) -> io::Result<Downloaded> {
    let begin = Instant::now();
    let mut buffer = vec![0; PIECE];
    let (mut bytes, mut longest, mut was_cut, mut is_last) = (0, Duration::ZERO, false, false);
    while !was_cut && !is_last {
        // The piece behind the end still has to come.
        is_last = ended.load(Ordering::Relaxed);
        let waits = Instant::now();
        was_cut = stream
            .read_exact(&mut buffer)
            .and_then(|()| stream.write_all(&[0]))
            .is_err();
        longest = longest.max(waits.elapsed());
        bytes += if was_cut { 0 } else { PIECE as u64 };
    }
    Ok(Downloaded {
        seconds: begin.elapsed().as_secs(),
        bytes,
        longest_pause_ms: longest.as_millis(),
        was_cut,
    })
}
