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
mod force;
pub mod init;
mod keys;
pub mod metrics;
mod output;
pub mod replay;
pub mod run;
pub mod status;
pub mod sync;
mod table;
pub mod watch;
