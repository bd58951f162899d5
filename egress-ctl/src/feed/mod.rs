//! The Microsoft 365 web service: every change in time, none that hurts.
//!
//! ```text
//! service ─> fetch ─> edition ─> believable? ─┬─> candidate ─> difference ─> apply ─> approved ─> catalogue
//!                                             └─> refused, kept aside        (rules, or a person)
//! ```
//! [`edition`], [`difference`] and [`apply`] are pure. [`store`] holds all of it on disk, so that
//! the approved edition can be read whatever happens.

pub mod apply;
pub mod believable;
pub mod coverage;
pub mod decide;
pub mod depth;
pub mod difference;
pub mod edition;
pub mod fetch;
pub mod http;
pub mod intake;
pub mod mirror;
pub mod past;
pub mod person;
pub mod piece;
pub mod poll;
pub mod reach;
pub mod record;
pub mod refusal;
pub mod request_id;
#[cfg(test)]
pub(crate) mod sample;
pub mod schedule;
pub mod settings;
pub mod sha;
pub mod standing;
pub mod state;
pub mod store;
pub mod traffic;
pub mod version;
pub mod versions;
