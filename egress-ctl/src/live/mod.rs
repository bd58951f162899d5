//! What goes on at the gateway, as it goes on.
//!
//! In: [`Sight`]s, which a [`Looker`](look::Looker) takes from the kernel's counters and the state folder, and
//! [`Denied`] packets, as events tell of them. Out: a [`Picture`] with rates, histories and tops, for
//! `egress-ctl top` and the page. Nothing here knows of a terminal, a page or, but for [`look`], of any I/O.
//!
//! What comes from counters is whole. What comes from events is a sample, and says so: `recent`.

pub mod gateway;
pub mod look;
pub mod model;
mod narrow;
pub mod picture;
pub mod recent;
pub mod sight;
#[cfg(test)]
pub(crate) mod testing;
pub mod track;

pub use self::{
    model::Live,
    picture::Picture,
    recent::Denied,
    sight::Sight,
    track::{Measured, Rate},
};
use crate::schema::Kind;

/// What of it is printed.
pub(crate) const KINDS: &[Kind] = &[picture::KIND];
