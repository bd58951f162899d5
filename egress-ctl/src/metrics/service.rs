//! Answers whoever asks on loopback, on a thread of its own: readers never make the daemon wait.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
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

use super::{families, gather::Gatherer, http};
use crate::{daemon::Places, privilege};

/// Connections at once; others wait until one ends.
const AT_ONCE: usize = 16;
/// How long a connection may last, with one request and its answer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long somebody may take to say what is asked.
const HEAD_LIMIT: Duration = Duration::from_secs(2);
/// Where no connection can be taken, the pause until the next try.
const PAUSE: Duration = Duration::from_millis(500);
/// Bytes and number of a request's headers.
const HEAD_MAX: usize = 16 * 1024;
const HEADERS_MAX: usize = 64;

/// The service of a daemon, running or not.
#[derive(Default)]
pub struct Service(Option<Running>);

struct Running {
    listen: SocketAddr,
    thread: JoinHandle<()>,
    /// Dropped to end the thread.
    _until: oneshot::Sender<Infallible>,
}

impl Service {
    /// Starts, ends or leaves the service, as a config wants it. Where it cannot be, all else goes on.
    pub fn settle(&mut self, wanted: Option<SocketAddr>, places: &Places) {
        if self.listens() == wanted {
            return;
        }
        self.end();
        let Some(listen) = wanted else {
            return info!("metrics are not served any more");
        };
        match start(listen, places) {
            Ok(running) => {
                self.0 = Some(running);
                info!("metrics are served at http://{listen}/metrics");
            }
            Err(fault) => warn!(
                "metrics cannot be served at {listen}: {fault}; a SIGHUP tries again, and `egress-ctl metrics` prints them"
            ),
        }
    }

    /// Ends it.
    pub fn end(&mut self) {
        let Some(Running { thread, _until, .. }) = self.0.take() else {
            return;
        };
        drop(_until);
        if thread.join().is_err() {
            warn!("the thread that serves metrics has panicked");
        }
    }

    /// Where it listens; nowhere where its thread has ended.
    fn listens(&self) -> Option<SocketAddr> {
        let running = self.0.as_ref();
        let running = running.filter(|running| !running.thread.is_finished());
        running.map(|running| running.listen)
    }
}

fn start(listen: SocketAddr, places: &Places) -> io::Result<Running> {
    let listener = std::net::TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let gatherer = Arc::new(Mutex::new(Gatherer::new(places)));
    let (_until, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("metrics".to_owned());
    let thread = thread.spawn(move || {
        privilege::settle(false);
        runtime.block_on(async {
            tokio::select! {
                Err(fault) = serve(listener, gatherer) => warn!("metrics are not served any more: {fault}"),
                _ = ended => {}
            }
        });
    })?;
    Ok(Running {
        listen,
        thread,
        _until,
    })
}

async fn serve(
    listener: std::net::TcpListener,
    gatherer: Arc<Mutex<Gatherer>>,
) -> io::Result<Infallible> {
    let listener = TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(AT_ONCE));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        let Ok((stream, _)) = listener.accept().await else {
            // Too many files are open: others may close some.
            sleep(PAUSE).await;
            continue;
        };
        let gatherer = Arc::clone(&gatherer);
        tokio::spawn(async move {
            // Who takes too long or goes away has no answer, and others have theirs.
            let _: Result<_, _> = timeout(LIMIT, connection(stream, &gatherer)).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, gatherer: &Mutex<Gatherer>) -> hyper::Result<()> {
    let answered = service_fn(async |request: Request<Incoming>| {
        Ok::<_, Infallible>(answer(&request, gatherer))
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), answered)
        .await
}

fn answer(request: &Request<Incoming>, gatherer: &Mutex<Gatherer>) -> Response<String> {
    let format = match http::judged(request) {
        Ok(format) => format,
        Err(refusal) => return http::refused(refusal),
    };
    // What a panic left is looked at anew.
    let mut gatherer = gatherer.lock().unwrap_or_else(PoisonError::into_inner);
    match gatherer.facts() {
        Ok(facts) => http::answer(format.text(&families(&facts)), format),
        Err(fault) => http::failed(&format!("{fault:#}")),
    }
}
