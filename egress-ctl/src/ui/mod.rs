//! The page: what goes on at the gateway, in a browser.
//!
//! In: requests of this machine, as [`guard`] lets them through. Out: one page without anything from elsewhere, and
//! JSON that it asks for: rates over time by [`live`](crate::live), what does not pass by the events of the kernel,
//! explanations, endpoint sets and feeds by the very code of the commands. What changes something takes a token.

mod alarm;
mod answer;
mod api;
mod guard;
mod origin;
mod page;
mod query;
mod ring;
mod route;
pub mod service;
mod site;
mod token;
mod watcher;

pub(crate) use self::api::KINDS;
