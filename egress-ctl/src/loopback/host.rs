//! Whom a request was meant for.
//!
//! In: its `Host` header and its URI. Out: that both name loopback, at the right port where one is asked for; or
//! why not. A page of somebody else's that points its own name at 127.0.0.1 still sends that name.

use std::net::IpAddr;

use hyper::{
    Request, StatusCode,
    header::{HOST, HeaderMap},
    http::uri::Authority,
};

/// Why a request was not meant for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// It names no host, or several.
    NoHost,
    /// It names a host that is not this one: a page in a browser here may have been led to ask.
    Host,
    /// It names this machine, and another port.
    Port,
}

/// The host that a request names by loopback: a name or an address, and the port where there is one.
///
/// # Errors
/// It names none, several, or another one.
pub fn named<B>(request: &Request<B>) -> Result<(&str, Option<u16>), Foreign> {
    let host = of_headers(request.headers())?;
    let of_uri = request.uri().authority().map(Authority::as_str);
    let all = [Some(host), of_uri];
    if !all
        .into_iter()
        .flatten()
        .all(|named| is_loopback(split(named).0))
    {
        return Err(Foreign::Host);
    }
    Ok(split(host))
}

/// Checks that a request names loopback and this port.
///
/// # Errors
/// It does not.
pub fn check<B>(request: &Request<B>, port: u16) -> Result<(), Foreign> {
    let (_, named) = named(request)?;
    let of_uri = request.uri().port_u16();
    match named == Some(port) && of_uri.is_none_or(|of_uri| of_uri == port) {
        true => Ok(()),
        false => Err(Foreign::Port),
    }
}

/// What whoever asked is told.
pub fn told(foreign: Foreign) -> (StatusCode, &'static str) {
    match foreign {
        Foreign::NoHost => (
            StatusCode::BAD_REQUEST,
            "the request must have one Host header",
        ),
        Foreign::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "only requests to localhost or an address of loopback are answered",
        ),
        Foreign::Port => (
            StatusCode::MISDIRECTED_REQUEST,
            "only requests that name the port of this service are answered: forward it under the same number",
        ),
    }
}

fn of_headers(headers: &HeaderMap) -> Result<&str, Foreign> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Foreign::NoHost);
    };
    host.to_str().map_err(|_| Foreign::NoHost)
}

/// Host and port. What follows the last colon and is no port makes the host one that nobody has.
fn split(named: &str) -> (&str, Option<u16>) {
    match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => (host, port.parse().ok()),
        _ => (named, None),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, hosts: &[&str]) -> Request<()> {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn only_names_and_addresses_of_loopback_are_this_machine() {
        let table = [
            ("127.0.0.1:9598", Ok(Some(9598))),
            ("127.9.0.1", Ok(None)),
            ("LocalHost:1", Ok(Some(1))),
            ("[::1]:9598", Ok(Some(9598))),
            ("[::ffff:127.0.0.1]", Ok(None)),
            ("localhost:", Ok(None)),
            ("localhost:99999", Ok(None)),
            ("localhost.evil.example:9598", Err(Foreign::Host)),
            ("127.0.0.1.evil.example", Err(Foreign::Host)),
            ("127.0.0.1@evil.example", Err(Foreign::Host)),
            ("localhost:9598:evil", Err(Foreign::Host)),
            ("10.0.0.1:9598", Err(Foreign::Host)),
            ("0.0.0.0:9598", Err(Foreign::Host)),
            ("[2001:db8::1]", Err(Foreign::Host)),
            ("", Err(Foreign::Host)),
        ];
        for (host, expected) in table {
            let request = request("/", &[host]);
            assert_eq!(named(&request).map(|(_, port)| port), expected, "{host}");
        }
        assert_eq!(named(&request("/", &[])), Err(Foreign::NoHost));
        let two = request("/", &["localhost", "evil.example"]);
        assert_eq!(named(&two), Err(Foreign::NoHost));
        let absolute = request("http://evil.example/metrics", &["localhost"]);
        assert_eq!(named(&absolute), Err(Foreign::Host));
    }

    #[test]
    fn another_port_is_somebody_else() {
        let table = [
            ("/", "127.0.0.1:9599", Ok(())),
            ("/", "localhost:9599", Ok(())),
            ("/", "[::1]:9599", Ok(())),
            ("http://localhost:9599/", "localhost:9599", Ok(())),
            ("/", "127.0.0.1", Err(Foreign::Port)),
            ("/", "127.0.0.1:80", Err(Foreign::Port)),
            ("/", "localhost:95990", Err(Foreign::Port)),
            ("http://localhost:80/", "localhost:9599", Err(Foreign::Port)),
            ("/", "evil.example:9599", Err(Foreign::Host)),
        ];
        for (uri, host, expected) in table {
            assert_eq!(check(&request(uri, &[host]), 9599), expected, "{host}");
        }
    }
}
