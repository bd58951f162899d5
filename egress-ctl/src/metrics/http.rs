//! Requests, and what becomes of them: `GET /metrics` under a name of this machine's loopback, nothing else.

use std::net::IpAddr;

use hyper::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, VARY},
};

use super::Format;

const PATH: &str = "/metrics";
const PLAIN: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It names no host, or several.
    NoHost,
    /// It names a host that is not this one: a page in a browser here may have been led to ask.
    ForeignHost,
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
    let headers = request.headers();
    let host = host(headers)?;
    let named = request.uri().host().into_iter();
    if !named.chain([host]).all(is_loopback) {
        return Err(Refusal::ForeignHost);
    }
    if request.uri().path() != PATH {
        return Err(Refusal::Path);
    }
    if request.method() != Method::GET {
        return Err(Refusal::Method);
    }
    Ok(Format::accepted(&accepted(headers)))
}

/// The host that a request names, without the port.
fn host(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::NoHost);
    };
    let host = host.to_str().map_err(|_| Refusal::NoHost)?;
    Ok(without_port(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        _ => host,
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match bare.unwrap_or(host).parse::<IpAddr>() {
        Ok(addr) => addr.to_canonical().is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
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
        Refusal::NoHost => (
            StatusCode::BAD_REQUEST,
            "the request must have one Host header",
        ),
        Refusal::ForeignHost => (
            StatusCode::MISDIRECTED_REQUEST,
            "only requests to localhost or an address of loopback are answered",
        ),
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
            ("127.0.0.1:9598", Ok(Format::Prometheus)),
            ("127.9.0.1", Ok(Format::Prometheus)),
            ("LocalHost:1", Ok(Format::Prometheus)),
            ("[::1]:9598", Ok(Format::Prometheus)),
            ("[::ffff:127.0.0.1]", Ok(Format::Prometheus)),
            ("localhost.evil.example:9598", Err(Refusal::ForeignHost)),
            ("127.0.0.1.evil.example", Err(Refusal::ForeignHost)),
            ("10.0.0.1:9598", Err(Refusal::ForeignHost)),
            ("[2001:db8::1]", Err(Refusal::ForeignHost)),
            ("", Err(Refusal::ForeignHost)),
        ];
        for (host, expected) in table {
            let request = request(Method::GET, "/metrics", &[("host", host)]);
            assert_eq!(judged(&request), expected, "{host}");
        }
        let none = request(Method::GET, "/metrics", &[]);
        assert_eq!(judged(&none), Err(Refusal::NoHost));
        let two = [("host", "localhost"), ("host", "evil.example")];
        let two = request(Method::GET, "/metrics", &two);
        assert_eq!(judged(&two), Err(Refusal::NoHost));
        let uri = "http://evil.example/metrics";
        let absolute = request(Method::GET, uri, &[("host", "localhost")]);
        assert_eq!(judged(&absolute), Err(Refusal::ForeignHost));
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
