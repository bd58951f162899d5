//! The commands, one file each.

pub mod catalogue;
pub mod check;
pub mod detach;
mod force;
mod output;
pub mod replay;
pub mod run;
pub mod status;
