//! What user space knows of learned addresses: names, aliases, clients.
//!
//! The kernel learns addresses by pattern, whoever listens. It tells of each answer through a ring buffer;
//! the daemon reads those ([`heard`]), keeps their [`names`] in memory and on disk ([`mod@file`]), tells of single
//! addresses ([`socket`], [`lookup`]), and commands put both together ([`known`], [`missed`]). What is lost on that way is a name, never an address. Learned
//! addresses leave and come back as a [`document`], which [`admit`] turns into teachings again.

pub mod admit;
pub mod document;
pub mod file;
pub mod heard;
pub mod known;
pub mod lookup;
pub mod missed;
pub mod names;
pub mod reverse;
pub mod saved;
pub mod socket;
pub mod time;

use crate::schema::Kind;

/// What of it is printed.
pub(crate) const KINDS: &[Kind] = &[document::KIND];
