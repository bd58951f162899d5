//! What became of single packets, kept for whoever asks later.
//!
//! In: the kernel's events, and what their numbers mean ([`teller`]). Out: [`record::Line`]s, of which a
//! [`store::Store`] holds the newest.

pub mod record;
pub mod store;
pub mod teller;

use crate::schema::Kind;

/// What of it is printed.
pub(crate) const KINDS: &[Kind] = &[record::GAP, record::HISTORY];
