//! DNS over TCP through this machine: what tells the kernel's routes which packets are to come here.
//!
//! The program at LAN ingress gives the first packet of a connection to a listener, and marks every packet of
//! a connection that the listener has. A policy rule looks marked packets up in a table that delivers
//! everything here, whatever its destination.

/// Mark of packets that are delivered here; nothing else on the gateway may use it.
pub const MARK: u32 = 0xe6e5_0035;
/// Number of the routing table that marked packets are looked up in.
pub const TABLE: u32 = 0xe6e5;
/// Place of the rule among the gateway's policy rules: behind the one of local addresses, before most others.
pub const PRIORITY: u32 = 53;

/// Listeners, one a family.
pub const LISTENERS: usize = 2;

/// Which listener takes connections of a family.
#[inline(always)]
pub const fn listener(is_v4: bool) -> u32 {
    !is_v4 as u32
}
