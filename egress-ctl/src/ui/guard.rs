//! Who is answered.
//!
//! In: a request. Out: what it asks for, once it is known that it was meant for this service, that no page of
//! somebody else's sent it, and that whoever decides has the token; or why it is refused. A refusal tells nothing
//! of the gateway.

use std::path::Path;

use hyper::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, HeaderMap},
};

use super::{
    origin,
    route::Route,
    token::{Token, TokenError},
};
use crate::loopback::host::{self, Foreign};

/// What a request is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'a> {
    /// The port of the service.
    pub port: u16,
    /// The file of the token; nobody decides where there is none.
    pub token: Option<&'a Path>,
}

/// Why a request is not answered.
#[derive(Debug)]
pub enum Refusal {
    /// It was not meant for this service.
    Foreign(Foreign),
    /// Somebody else's page asks.
    Elsewhere,
    /// There is no such path.
    Path,
    /// It takes another method.
    Method(Method),
    /// Nobody decides here.
    ReadOnly,
    /// Who decides has to say the token.
    NoToken,
    /// It is another one.
    WrongToken,
    /// It cannot be known.
    Token(TokenError),
}

impl Guard<'_> {
    /// What a request asks for.
    ///
    /// # Errors
    /// It is refused.
    pub fn judged<B>(&self, request: &Request<B>) -> Result<Route, Refusal> {
        host::check(request, self.port).map_err(Refusal::Foreign)?;
        let route = Route::at(request.uri().path());
        let headers = request.headers();
        origin::check(headers, route == Some(Route::Page)).map_err(|_| Refusal::Elsewhere)?;
        let route = route.ok_or(Refusal::Path)?;
        if route.method() != *request.method() {
            return Err(Refusal::Method(route.method()));
        }
        if let Route::Decide(_) = route {
            self.check_token(headers)?;
        }
        Ok(route)
    }

    fn check_token(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let path = self.token.ok_or(Refusal::ReadOnly)?;
        let sent = sent(headers).ok_or(Refusal::NoToken)?;
        let token = Token::read(path).map_err(Refusal::Token)?;
        match token.is(sent) {
            true => Ok(()),
            false => Err(Refusal::WrongToken),
        }
    }
}

/// The one token that a request has (RFC 6750, 2.1).
fn sent(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = one.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl Refusal {
    /// What whoever asked is told.
    pub fn told(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Foreign(foreign) => host::told(*foreign),
            Self::Elsewhere => (
                StatusCode::FORBIDDEN,
                "requests of other pages are not answered: type the address",
            ),
            Self::Path => (StatusCode::NOT_FOUND, "there is no such path"),
            Self::Method(_) => (
                StatusCode::METHOD_NOT_ALLOWED,
                "this path takes another method",
            ),
            Self::ReadOnly => (
                StatusCode::FORBIDDEN,
                "nobody decides here: name a token-file in [ui], or with --token-file; `egress-ctl feed approve` works all the same",
            ),
            Self::NoToken => (
                StatusCode::UNAUTHORIZED,
                "who decides has to give the token that is in the token-file",
            ),
            Self::WrongToken => (
                StatusCode::FORBIDDEN,
                "this is not the token that is in the token-file",
            ),
            Self::Token(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "the token-file cannot be used: the log says why",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123";
    const OWN: (&str, &str) = ("host", "127.0.0.1:9599");

    fn request(method: Method, uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// The status of the refusal; 200 of what is not refused.
    fn status(guard: &Guard<'_>, request: &Request<()>) -> u16 {
        let refused = guard.judged(request).err();
        refused.map_or(200, |refusal| refusal.told().0.as_u16())
    }

    #[test]
    fn reading_takes_no_token_and_the_right_host_origin_and_method() {
        let guard = Guard {
            port: 9599,
            token: None,
        };
        let get = Method::GET;
        let table = [
            (&get, "/", vec![OWN], 200),
            (&get, "/?x=1", vec![OWN], 200),
            (&get, "/api/overview", vec![OWN], 200),
            (&get, "/api/drops?after=1", vec![OWN], 200),
            (&get, "/", vec![], 400),
            (&get, "/", vec![("host", "rebound.example:9599")], 421),
            (
                &get,
                "/api/overview",
                vec![("host", "rebound.example:9599")],
                421,
            ),
            (&get, "/api/overview", vec![("host", "127.0.0.1")], 421),
            (&get, "/api/overview", vec![("host", "127.0.0.1:9598")], 421),
            (&get, "http://evil.example/", vec![OWN], 421),
            (
                &get,
                "/api/overview",
                vec![OWN, ("origin", "http://evil.example")],
                403,
            ),
            (
                &get,
                "/nothing",
                vec![OWN, ("origin", "http://evil.example")],
                403,
            ),
            (&get, "/nothing", vec![OWN], 404),
            (&get, "/api/overview/", vec![OWN], 404),
            (&get, "//api/overview", vec![OWN], 404),
            (&Method::HEAD, "/", vec![OWN], 405),
            (&Method::OPTIONS, "/api/feeds/approve", vec![OWN], 405),
            (&Method::POST, "/api/overview", vec![OWN], 405),
            (&get, "/api/feeds/approve", vec![OWN], 405),
        ];
        for (method, uri, headers, expected) in table {
            let request = request(method.clone(), uri, &headers);
            assert_eq!(
                status(&guard, &request),
                expected,
                "{method} {uri} {headers:?}"
            );
        }
    }

    #[test]
    fn deciding_takes_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let mut file = tempfile::NamedTempFile::new_in(&folder).unwrap();
        std::io::Write::write_all(&mut file, TOKEN.as_bytes()).unwrap();
        file.persist(&path).unwrap();
        let bearer = |token: &str| format!("Bearer {token}");
        let (right, small) = (bearer(TOKEN), format!("bearer  {TOKEN} "));
        let table: [(&[&str], u16); 9] = [
            (&[&right], 200),
            (&[&small], 200),
            (&[], 401),
            (&[""], 401),
            (&[TOKEN], 401),
            (&["Basic MDEyMzQ1"], 401),
            (&["Bearer "], 403),
            (&["Bearer 0123456789abcdef0124"], 403),
            (&[&right, &right], 401),
        ];
        let guard = |token| Guard { port: 9599, token };
        for (sent, expected) in table {
            for uri in ["/api/feeds/approve?source=a", "/api/feeds/reject"] {
                let tokens = sent.iter().map(|sent| ("authorization", *sent));
                let headers: Vec<_> = [OWN].into_iter().chain(tokens).collect();
                let post = request(Method::POST, uri, &headers);
                assert_eq!(status(&guard(Some(&path)), &post), expected, "{sent:?}");
                assert_eq!(status(&guard(None), &post), 403, "read-only");
            }
        }
        let headers = [OWN, ("authorization", right.as_str())];
        let elsewhere = [&headers[..], &[("origin", "http://evil.example")]].concat();
        let post = request(Method::POST, "/api/feeds/approve", &elsewhere);
        assert_eq!(
            status(&guard(Some(&path)), &post),
            403,
            "a token does not excuse"
        );
        let post = request(Method::POST, "/api/feeds/approve", &headers);
        let gone = folder.path().join("gone");
        assert_eq!(status(&guard(Some(&gone)), &post), 503);
    }
}
