//! Controller of the egress filter.
//!
//! The way of the data, one folder a stage: [`catalogue`] says which endpoints there are, [`config`]
//! who may reach which, [`policy`] compiles both into a generation, [`dataplane`] puts that into
//! the kernel's maps. [`proxy`] relays DNS over TCP, [`dns`] keeps the names of what was learned,
//! [`forward`] looks after the path past the stack. [`replay`] shows a capture to the same programs.
//! [`daemon`] keeps it so, [`lever`] is what an administrator moves by hand; [`init`] drafts a first
//! config, [`doctor`] says what is wrong with a machine, [`metrics`] is what monitoring reads,
//! [`command`] are the commands, and [`cli`] is how they are called.

pub mod catalogue;
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dataplane;
pub mod dns;
pub mod doctor;
pub mod durable;
pub mod explain;
pub mod feed;
pub mod forward;
mod in_force;
pub mod init;
pub mod lever;
pub mod metrics;
pub mod policy;
pub mod prefix;
mod privilege;
pub mod proxy;
pub mod remarks;
pub mod replay;
pub mod state;
