//! What is served to this machine alone: metrics, and the page.
//!
//! In: who wants to be served where. Out: a thread that answers there, and what a request says of whom it was
//! meant for. A name that somebody outside lets point to loopback is refused by [`host`].

pub mod host;
pub mod service;
