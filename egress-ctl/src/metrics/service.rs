//! Serves metrics to whoever asks on loopback.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming};

use super::{families, gather::Gatherer, http};
use crate::{
    daemon::Places,
    loopback::service::{self, Bounds, ListenError, Running, Subject},
};

/// The service of a daemon, running or not.
pub type Service = service::Service<SocketAddr>;

/// What is served.
pub const SUBJECT: Subject = Subject {
    name: "metrics",
    is: "metrics are",
    path: "/metrics",
    instead: "`egress-ctl metrics` prints them",
};
const BOUNDS: Bounds = Bounds {
    at_once: 16,
    limit: Duration::from_secs(10),
};

/// Serves metrics at an address from now on.
///
/// # Errors
/// Nobody can listen there.
pub fn start(listen: SocketAddr, places: &Places) -> Result<Running, ListenError> {
    let gatherer = Arc::new(Mutex::new(Gatherer::new(places)));
    Running::start(SUBJECT, listen, BOUNDS, move |request| {
        let gatherer = Arc::clone(&gatherer);
        async move { answer(&request, &gatherer) }
    })
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
