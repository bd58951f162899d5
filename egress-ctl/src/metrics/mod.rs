//! Metrics, as Prometheus reads them.
//!
//! In: what `status` tells. Out: families of samples, as text in the form that was asked for. [`gather`] looks,
//! [`families`] names what was seen, [`text`] writes it down; [`service`] answers on loopback, by `http`.
//! Labels are named by the config and the program alone: never an address, a client or a name of the network.

mod accept;
pub mod facts;
mod families;
pub mod family;
pub mod gather;
mod http;
pub mod paced;
mod process;
pub mod service;
pub mod text;

pub use self::{families::families, text::Format};
