//! Answers whoever asks on loopback, on a thread of its own: readers never make the daemon wait.

use std::{
    convert::Infallible,
    fmt::Display,
    future::Future,
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use crate::privilege;

/// How long somebody may take to say what is asked.
const HEAD_LIMIT: Duration = Duration::from_secs(2);
/// Where no connection can be taken, the pause until the next try.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes and number of a request's headers.
const HEAD_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;
/// Threads that look things up which take a while.
const ASIDE_MAX: usize = 8;

/// What is served, in words.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// Its name, which the thread has too.
    pub name: &'static str,
    /// With its verb, as `metrics are`.
    pub is: &'static str,
    /// Its path.
    pub path: &'static str,
    /// What to do where it cannot be served.
    pub instead: &'static str,
}

/// What one connection may take.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Connections at once; others wait until one ends.
    pub at_once: usize,
    /// How long a connection may last, with one request and its answer.
    pub limit: Duration,
}

/// The service of a daemon, running or not, and what it was started by.
#[derive(Debug)]
pub struct Service<W>(Option<(W, Running)>);

impl<W> Default for Service<W> {
    fn default() -> Self {
        Self(None)
    }
}

impl<W: PartialEq> Service<W> {
    /// Starts, ends or leaves the service, as a config wants it. Where it cannot be, all else goes on.
    pub fn settle<E: Display>(
        &mut self,
        subject: Subject,
        wanted: Option<W>,
        start: impl FnOnce(&W) -> Result<Running, E>,
    ) {
        if self.runs_by() == wanted.as_ref() {
            return;
        }
        self.end();
        let Subject {
            name,
            is,
            path,
            instead,
        } = subject;
        let Some(wanted) = wanted else {
            return info!("{is} not served any more");
        };
        match start(&wanted) {
            Ok(running) => {
                info!("{is} served at http://{}{path}", running.listen);
                self.0 = Some((wanted, running));
            }
            Err(fault) => {
                warn!("{name} cannot be served {fault}; a SIGHUP tries again, and {instead}");
            }
        }
    }

    /// Ends it.
    pub fn end(&mut self) {
        if let Some((_, running)) = self.0.take() {
            running.end();
        }
    }

    /// What it was started by; nothing where its thread has ended.
    fn runs_by(&self) -> Option<&W> {
        let running = self.0.as_ref();
        let running = running.filter(|(_, running)| !running.thread.is_finished());
        running.map(|(by, _)| by)
    }
}

impl ListenError {
    /// Why nobody answers there.
    pub fn new(listen: SocketAddr, source: io::Error) -> Self {
        Self { listen, source }
    }
}

/// A thread that answers.
#[derive(Debug)]
pub struct Running {
    listen: SocketAddr,
    thread: JoinHandle<()>,
    /// Dropped to end the thread.
    until: oneshot::Sender<Infallible>,
}

/// Nobody can listen there.
#[derive(Debug, thiserror::Error)]
#[error("at {listen}: {source}")]
pub struct ListenError {
    listen: SocketAddr,
    source: io::Error,
}

impl Running {
    /// Answers at an address from now on, each request by a future of its own.
    ///
    /// # Errors
    /// Somebody else listens there, or there are no threads or files left.
    pub fn start<A, F>(
        subject: Subject,
        listen: SocketAddr,
        bounds: Bounds,
        answer: A,
    ) -> Result<Self, ListenError>
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response<String>> + Send + 'static,
    {
        let started = begin(subject, listen, bounds, answer);
        started.map_err(|source| ListenError { listen, source })
    }

    /// Where it answers.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Ends it.
    pub fn end(self) {
        let Self { thread, until, .. } = self;
        drop(until);
        if thread.join().is_err() {
            warn!("a thread that serves requests has panicked");
        }
    }
}

fn begin<A, F>(
    subject: Subject,
    listen: SocketAddr,
    bounds: Bounds,
    answer: A,
) -> io::Result<Running>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<String>> + Send + 'static,
{
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(ASIDE_MAX)
        .build()?;
    let (until, ended) = oneshot::channel();
    let Subject { name, is, .. } = subject;
    let thread = thread::Builder::new().name(name.to_owned());
    let thread = thread.spawn(move || {
        privilege::settle(false);
        runtime.block_on(async {
            tokio::select! {
                Err(fault) = serve(listener, bounds, answer) => warn!("{is} not served any more: {fault}"),
                _ = ended => {}
            }
        });
        // What is still looked up is nobody's any more.
        runtime.shutdown_background();
    })?;
    Ok(Running {
        listen,
        thread,
        until,
    })
}

async fn serve<A, F>(
    listener: std::net::TcpListener,
    bounds: Bounds,
    answer: A,
) -> io::Result<Infallible>
where
    A: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<String>> + Send + 'static,
{
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(bounds.at_once));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open: others may close some.
            sleep(PAUSE).await;
            continue;
        };
        let answer = answer.clone();
        tokio::spawn(async move {
            // Who takes too long or goes away has no answer, and others have theirs.
            let _: Result<_, _> = timeout(bounds.limit, connection(stream, answer)).await;
            drop(place);
        });
    }
}

async fn connection<A, F>(stream: TcpStream, answer: A) -> hyper::Result<()>
where
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<String>>,
{
    let answered =
        service_fn(async |request: Request<Incoming>| Ok::<_, Infallible>(answer(request).await));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answered)
        .await
}
