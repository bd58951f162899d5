//! What a filter is asked of.

use std::net::IpAddr;

use egress_common::verdict::{Action, Reason};

/// An event, a packet, or a row of a table: what is known of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Who sent it.
    pub client: Option<IpAddr>,
    /// The client's group.
    pub group: Option<&'a str>,
    /// Endpoint sets or rules that decided, or that are nearest.
    pub sets: Vec<&'a str>,
    /// Names of the destination, and patterns that list them.
    pub names: Vec<&'a str>,
    /// Why it passes or does not.
    pub reason: Option<Reason>,
    /// What was done.
    pub action: Option<Action>,
    /// The destination.
    pub address: Option<IpAddr>,
    /// The destination's port.
    pub port: Option<u16>,
    /// The protocol above IP, by its number.
    pub proto: Option<u8>,
}
