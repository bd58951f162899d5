//! Requests, and what becomes of them: `GET /metrics` under a name of this machine's loopback, nothing else.

use hyper::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, VARY},
};

use super::Format;
use crate::loopback::host::{self, Foreign};

const PATH: &str = "/metrics";
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It was not meant for this machine.
    Foreign(Foreign),
    /// Another method.
    Method,
    /// Another path.
    Path,
}

/// The form in which a request is to be answered.
///
/// # Errors
/// It is not.
pub(super) fn judged<B>(request: &Request<B>) -> Result<Format, Refusal> {
    host::named(request).map_err(Refusal::Foreign)?;
    if request.uri().path() != PATH {
        return Err(Refusal::Path);
    }
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    Ok(Format::accepted(&accepted(request.headers())))
}

/// What all `Accept` headers name.
fn accepted(headers: &HeaderMap) -> String {
    let all = headers.get_all(ACCEPT).iter();
    let all: Vec<_> = all.filter_map(|value| value.to_str().ok()).collect();
    all.join(",")
}

/// The answer with metrics.
pub(super) fn answer(text: String, format: Format) -> Response<String> {
    let kind = HeaderValue::from_static(format.content_type());
    response(StatusCode::OK, kind, text)
}

/// The answer where metrics cannot be read.
pub(super) fn failed(why: &str) -> Response<String> {
    response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, format!("{why}\n"))
}

/// The answer to who is refused.
pub(super) fn refused(refusal: Refusal) -> Response<String> {
    let (status, why) = match refusal {
        Refusal::Foreign(foreign) => host::told(foreign),
        Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "only GET is answered"),
        Refusal::Path => (StatusCode::NOT_FOUND, "there is /metrics"),
    };
    let mut response = response(status, PLAIN, format!("{why}\n"));
    if refusal == Refusal::Method {
        let get = HeaderValue::from_static("GET");
        response.headers_mut().insert(ALLOW, get);
    }
    response
}

fn response(status: StatusCode, kind: HeaderValue, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("accept"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_this_machine_is_answered() {
        let table = [
            ("[::1]:9598", Ok(Format::Prometheus)),
            ("127.9.0.1", Ok(Format::Prometheus)),
            ("evil.example:9598", Err(Refusal::Foreign(Foreign::Host))),
        ];
        for (host, expected) in table {
            let request = request(Method::GET, "/metrics", &[("host", host)]);
            assert_eq!(judged(&request), expected, "{host}");
        }
        let none = request(Method::GET, "/metrics", &[]);
        assert_eq!(judged(&none), Err(Refusal::Foreign(Foreign::NoHost)));
    }

    #[test]
    fn one_thing_is_served() {
        const OPEN: &str = "application/openmetrics-text";
        let own = ("host", "localhost:9598");
        let table = [
            (Method::GET, "/metrics", "", Ok(Format::Prometheus)),
            (Method::GET, "/metrics?x=1", OPEN, Ok(Format::OpenMetrics)),
            (Method::GET, "/", "", Err(Refusal::Path)),
            (Method::GET, "/metrics/", "", Err(Refusal::Path)),
            (Method::POST, "/metrics", "", Err(Refusal::Method)),
            (Method::HEAD, "/metrics", "", Err(Refusal::Method)),
        ];
        for (method, uri, accept, expected) in table {
            let request = request(method.clone(), uri, &[own, ("accept", accept)]);
            assert_eq!(judged(&request), expected, "{method} {uri}");
        }
    }
}
