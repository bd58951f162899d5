//! Whose page asks.
//!
//! In: the headers by which a browser says where a request comes from. Out: that it is our own page, somebody who
//! typed the address, or no browser at all; or that it is somebody else's page. A link to the page from elsewhere
//! may be followed: that shows nothing to the page it was on.

use hyper::header::{HOST, HeaderMap, ORIGIN};

const SITE: &str = "sec-fetch-site";
const MODE: &str = "sec-fetch-mode";
const DESTINATION: &str = "sec-fetch-dest";

/// Somebody else's page asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elsewhere;

/// Checks that a request does not come from another origin; where `is_page`, following a link does.
///
/// # Errors
/// It does.
pub fn check(headers: &HeaderMap, is_page: bool) -> Result<(), Elsewhere> {
    let own = headers.get(HOST).and_then(|host| host.to_str().ok());
    let own = own.map(|host| format!("http://{host}"));
    let is_own = |origin: &[u8]| own.as_ref().is_some_and(|own| own.as_bytes() == origin);
    let origins = headers.get_all(ORIGIN);
    let is_ours = origins.iter().all(|origin| is_own(origin.as_bytes()));
    let mut sites = headers.get_all(SITE).iter();
    let is_near = sites.all(|site| site == "same-origin" || site == "none");
    match is_ours && (is_near || is_page && is_visit(headers)) {
        true => Ok(()),
        false => Err(Elsewhere),
    }
}

/// Whether a window goes there, and no frame or script.
fn is_visit(headers: &HeaderMap) -> bool {
    let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    is(MODE, "navigate") && is(DESTINATION, "document")
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    type Header = (&'static str, &'static str);

    #[test]
    fn nobody_elses_page_may_ask() {
        const VISIT: [Header; 2] = [(MODE, "navigate"), (DESTINATION, "document")];
        let own = ("origin", "http://localhost:9599");
        // Headers, whether the page may be had, whether anything else may.
        let table: [(&[Header], bool, bool); 17] = [
            (&[], true, true),
            (&[own], true, true),
            (&[own, (SITE, "same-origin")], true, true),
            (&[(SITE, "none")], true, true),
            (&[("origin", "https://localhost:9599")], false, false),
            (&[("origin", "http://localhost:9600")], false, false),
            (&[("origin", "http://localhost")], false, false),
            (&[("origin", "http://127.0.0.1:9599")], false, false),
            (&[("origin", "http://evil.example")], false, false),
            (&[("origin", "null")], false, false),
            (&[own, ("origin", "http://evil.example")], false, false),
            (&[(SITE, "cross-site")], false, false),
            (&[(SITE, "same-site")], false, false),
            (&[own, (SITE, "cross-site")], false, false),
            (&[(SITE, "cross-site"), VISIT[0], VISIT[1]], true, false),
            (
                &[(SITE, "cross-site"), VISIT[0], (DESTINATION, "iframe")],
                false,
                false,
            ),
            (
                &[("origin", "http://evil.example"), VISIT[0], VISIT[1]],
                false,
                false,
            ),
        ];
        for (named, page, other) in table {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_static("localhost:9599"));
            for (name, value) in named {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(check(&headers, true).is_ok(), page, "page {named:?}");
            assert_eq!(check(&headers, false).is_ok(), other, "other {named:?}");
        }
    }
}
