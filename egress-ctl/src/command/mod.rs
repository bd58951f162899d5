//! The commands, one file each.

pub mod catalogue;
pub mod check;
pub mod config;
pub mod detach;
pub mod explain;
mod force;
mod output;
pub mod run;
pub mod status;
pub mod watch;
