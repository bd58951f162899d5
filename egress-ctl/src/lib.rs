//! Controller of the egress filter.
//!
//! The way of the data, one folder a stage: [`catalogue`] says which endpoints there are, [`config`]
//! who may reach which, [`policy`] compiles both into a generation, [`dataplane`] puts that into
//! the kernel's maps. [`proxy`] relays DNS over TCP, [`dns`] keeps the names of what was learned,
//! [`forward`] looks after the path past the stack,
//! [`history`] keeps what was not allowed. [`replay`] shows a capture to the same programs.
//! [`daemon`] keeps it so, [`lever`] is what an administrator moves by hand; [`init`] drafts a first
//! config, [`doctor`] says what is wrong with a machine. [`metrics`] is what monitoring reads, [`live`]
//! what goes on as it goes on, [`filter`] how all views of that are narrowed, and [`ui`] what a browser
//! shows; [`loopback`] serves them. [`schema`] says what their JSON looks like, and [`log`] is what the
//! daemon says by itself. [`command`] are the commands, and [`cli`] is how they are called.

pub mod catalogue;
pub mod cli;
pub mod command;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dataplane;
pub mod dns;
pub mod doctor;
mod driver;
pub mod durable;
pub mod explain;
pub mod feed;
pub mod filter;
pub mod forward;
pub mod history;
mod in_force;
pub mod init;
pub mod lever;
pub mod live;
pub mod log;
pub mod loopback;
pub mod metrics;
mod netlink;
pub mod policy;
pub mod prefix;
mod privilege;
pub mod proxy;
pub mod remarks;
pub mod replay;
pub mod schema;
mod sheet;
pub mod state;
pub mod support;
pub mod ui;
