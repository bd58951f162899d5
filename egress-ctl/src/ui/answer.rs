//! What is sent back, with what browsers have to know of it.

use hyper::{
    Response, StatusCode,
    header::{
        ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
        REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{guard::Refusal, page::Page};
use crate::schema::Kind;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
/// JSON is no page, whoever takes it for one.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
/// Of all answers: nobody keeps them, guesses what they are, shows them in a frame, or reads them from elsewhere.
const ALWAYS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// Of what the page is told.
pub(super) const KIND: Kind =
    Kind::of::<Fault<'_>>("egress.ui-error/1", "the page: an answer that is an error");

/// Why something that was asked for is not told.
#[derive(JsonSchema, Serialize)]
struct Fault<'a> {
    schema: &'static str,
    error: &'a str,
}

/// The page.
pub fn page(page: Page) -> Response<String> {
    let mut response = response(StatusCode::OK, HTML, page.html);
    let policy = HeaderValue::from_str(&page.policy);
    // A policy is plain text; without one, nothing of the page would run.
    let policy = policy.unwrap_or(NOTHING);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// A text that is JSON.
pub fn json(text: String) -> Response<String> {
    response(StatusCode::OK, JSON, text)
}

/// Why there is nothing to tell.
pub fn failed(status: StatusCode, why: &str) -> Response<String> {
    let fault = Fault {
        schema: KIND.name,
        error: why,
    };
    // Two texts can always be written.
    let text = serde_json::to_string(&fault).unwrap_or_default();
    response(status, JSON, text)
}

/// The answer to who is refused.
pub fn refused(refusal: &Refusal) -> Response<String> {
    let (status, why) = refusal.told();
    let mut response = failed(status, why);
    let more = match refusal {
        Refusal::Method(method) => HeaderValue::from_str(method.as_str())
            .ok()
            .map(|method| (ALLOW, method)),
        Refusal::NoToken => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
        _ => None,
    };
    response.headers_mut().extend(more);
    response
}

fn response(status: StatusCode, kind: &'static str, text: String) -> Response<String> {
    let mut response = Response::new(text);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONTENT_SECURITY_POLICY, NOTHING);
    for (name, value) in ALWAYS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
