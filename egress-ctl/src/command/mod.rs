//! The commands, one file each.

pub mod bypass;
pub mod catalogue;
pub mod check;
pub mod config;
pub mod confirm;
pub mod detach;
pub mod dns;
pub mod doctor;
pub mod enforce;
pub mod explain;
pub mod feed;
pub(crate) mod force;
pub mod init;
mod keys;
mod live;
pub mod metrics;
pub mod narrow;
mod output;
pub mod replay;
pub mod run;
pub mod schema;
pub mod status;
pub mod support;
pub mod sync;
mod table;
pub mod top;
pub mod ui;
pub mod watch;

pub use self::output::{complain, is_dumb};
use crate::schema::Kind;

/// What is printed as JSON by commands that have none below them.
pub(crate) const KINDS: &[Kind] = &[
    check::KIND,
    doctor::KIND,
    replay::KIND,
    status::KIND,
    sync::KIND,
    watch::told::KIND,
];
