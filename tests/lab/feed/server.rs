//! The web service on a network: a service in, HTTP out.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{OriginalUri, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use rustls::ServerConfig;
use tokio::sync::oneshot;
use tokio::time::sleep;
use tower_http::compression::CompressionLayer;

use super::answer::{Answer, Manner};
use super::control;
use super::fault::Method;
use super::service::{Request, Service};
use super::tls::{self, TlsListener};
use crate::certificate::Certificate;
use crate::host::Host;

/// What a slow body gives at once, and how often.
const DROP: usize = 16;
const DRIP: Duration = Duration::from_secs(1);
/// Lets half a body out before its connection ends.
const TEAR: Duration = Duration::from_millis(50);

/// A server in this process that runs until it is dropped.
#[derive(Debug)]
pub struct Server {
    /// What it serves.
    pub service: Arc<Service>,
    url: String,
    stop: Option<oneshot::Sender<Infallible>>,
    thread: Option<JoinHandle<io::Result<Result<()>>>>,
}

impl Server {
    /// Serves on an address of a host of the lab.
    pub fn start(
        host: &Host,
        address: SocketAddr,
        service: Arc<Service>,
        certificate: Option<&Certificate>,
    ) -> Result<Self> {
        let listener = host
            .run(|| TcpListener::bind(address))?
            .with_context(|| format!("cannot listen on {address}"))?;
        let url = url(listener.local_addr()?, certificate.is_some());
        let tls = certificate.map(tls::config).transpose()?;
        let (stop, stopped) = oneshot::channel::<Infallible>();
        let served = Arc::clone(&service);
        let thread = host.thread(move || run(listener, served, tls, stopped));
        Ok(Self {
            service,
            url,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// The base of all paths.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Nobody asks any more; what failed has been seen by those who asked.
            let _ = thread.join();
        }
    }
}

/// The base of all paths of a server.
pub fn url(address: SocketAddr, is_tls: bool) -> String {
    let scheme = if is_tls { "https" } else { "http" };
    format!("{scheme}://{address}")
}

/// Serves until the future is done, whatever it gives; connections are not waited for.
pub fn run(
    listener: TcpListener,
    service: Arc<Service>,
    tls: Option<Arc<ServerConfig>>,
    until: impl Future,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            failed = serve(listener, service, tls) => Ok(failed?),
            _ = until => Ok(()),
        }
    })
}

async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    tls: Option<Arc<ServerConfig>>,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = router(service);
    match tls {
        Some(config) => axum::serve(TlsListener::new(listener, config)?, router).await,
        None => axum::serve(listener, router).await,
    }
}

fn router(service: Arc<Service>) -> Router {
    Router::new()
        .merge(control::router())
        .fallback(ask)
        .layer(CompressionLayer::new())
        .with_state(service)
}

async fn ask(
    State(service): State<Arc<Service>>,
    OriginalUri(uri): OriginalUri,
    Query(pairs): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let mark = headers.get(header::IF_NONE_MATCH);
    let answer = match route(uri.path()) {
        None => Answer::refusal(404, "there are /version, /endpoints and /changes"),
        Some((method, instance, after)) => {
            let request = Request {
                method,
                instance,
                after,
                pairs: &pairs,
                if_none_match: mark.and_then(|mark| mark.to_str().ok()),
            };
            service.answer(&request, Instant::now())
        }
    };
    respond(answer, &uri.to_string()).await
}

/// Method, instance and version of a path, in any case.
fn route(path: &str) -> Option<(Method, Option<&str>, Option<&str>)> {
    let mut words = path.split('/').filter(|word| !word.is_empty());
    let method = words.next()?.to_ascii_lowercase().parse().ok()?;
    let (instance, after) = (words.next(), words.next());
    let fits = match method {
        Method::Version => after.is_none(),
        Method::Endpoints => instance.is_some() && after.is_none(),
        Method::Changes => after.is_some(),
    };
    (fits && words.next().is_none()).then_some((method, instance, after))
}

/// The answer as HTTP.
async fn respond(answer: Answer, asked: &str) -> Response {
    let Answer {
        status,
        content_type,
        body,
        etag,
        retry_after,
        manner,
    } = answer;
    let mut head = HeaderMap::new();
    head.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    put(&mut head, header::ETAG, etag);
    put(
        &mut head,
        header::RETRY_AFTER,
        retry_after.map(|seconds| seconds.to_string()),
    );
    let body = match manner {
        Manner::Whole => Body::from(body),
        Manner::Redirect => {
            put(&mut head, header::LOCATION, Some(asked.to_owned()));
            Body::from(body)
        }
        Manner::Truncated => {
            put(
                &mut head,
                header::CONTENT_LENGTH,
                Some(body.len().to_string()),
            );
            as_it_is(&mut head);
            torn(body)
        }
        Manner::Slow => {
            as_it_is(&mut head);
            dripping(body)
        }
        Manner::Silent => pending().await,
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    *response.headers_mut() = head;
    response
}

fn put(head: &mut HeaderMap, name: header::HeaderName, value: Option<String>) {
    let value = value.and_then(|value| HeaderValue::try_from(value).ok());
    if let Some(value) = value {
        head.insert(name, value);
    }
}

/// Keeps a body from being compressed.
fn as_it_is(head: &mut HeaderMap) {
    head.insert(
        header::CONTENT_ENCODING,
        HeaderValue::from_static("identity"),
    );
}

/// Half of a body, then the end of the connection.
fn torn(mut body: Vec<u8>) -> Body {
    body.truncate(body.len() / 2);
    let end = io::Error::from(io::ErrorKind::ConnectionReset);
    let parts = stream::iter([Ok(Bytes::from(body)), Err(end)]);
    Body::from_stream(parts.then(async |part| {
        sleep(TEAR).await;
        part
    }))
}

fn dripping(body: Vec<u8>) -> Body {
    let drops: Vec<_> = body.chunks(DROP).map(Bytes::copy_from_slice).collect();
    Body::from_stream(stream::iter(drops).then(async |drop| {
        sleep(DRIP).await;
        Ok::<_, Infallible>(drop)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_in_any_case() {
        let worldwide = Some("worldwide");
        let table = [
            ("/version", Some((Method::Version, None, None))),
            (
                "/Version/worldwide",
                Some((Method::Version, worldwide, None)),
            ),
            (
                "/ENDPOINTS/worldwide",
                Some((Method::Endpoints, worldwide, None)),
            ),
            (
                "/changes/worldwide/0000000000",
                Some((Method::Changes, worldwide, Some("0000000000"))),
            ),
            ("/", None),
            ("/endpoints", None),
            ("/changes/worldwide", None),
            ("/version/worldwide/2026053100", None),
            ("/changes/worldwide/0000000000/x", None),
            ("/favicon.ico", None),
        ];
        for (path, expected) in table {
            assert_eq!(route(path), expected, "{path}");
        }
    }
}
