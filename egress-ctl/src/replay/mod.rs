//! A capture through the real programs, in the capture's own time.
//!
//! In: a file of packets ([`capture`]) and policies. Each policy gets programs and maps of its own
//! ([`stage`]), which no gateway uses. Out: what became of the clients' packets ([`tally`]), as far as a filter means
//! them ([`meant`]).

pub mod capture;
pub mod frame;
pub mod meant;
pub mod sender;
pub mod stage;
pub mod tally;
