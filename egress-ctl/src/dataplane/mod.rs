//! The kernel's side: programs, maps and pins.
//!
//! In: a compiled generation. Out: what the kernel enforces, learns and counts. Everything is pinned,
//! so that it goes on without the daemon: maps under their names in the pin directory, links and
//! what has no link in `links` below it.

pub mod aside;
pub mod ask;
pub mod attach;
pub mod bind;
pub mod bypass;
mod carried;
mod clock;
pub mod counters;
pub mod events;
mod grace;
pub mod hook;
pub mod interface;
#[cfg_attr(not(feature = "bpf-log"), path = "no_kernel_log.rs")]
pub(crate) mod kernel_log;
pub mod layout;
pub mod learned;
pub(crate) mod link;
pub mod load;
pub mod maps;
pub mod missed;
pub mod occupants;
mod pages;
mod recent;
mod running;
pub mod stamp;
mod steady;
pub mod swap;
pub mod syscall;
pub mod teach;
pub mod trial;
pub mod unfiltered;
mod whole;

pub use clock::{boot_ms, boot_ns};
