//! The ports on which a name or a prefix is reachable.
//!
//! In: the ports of an endpoint set. Out: sums and differences of them, for each protocol.

use crate::catalogue::{ports::Ports, set::EndpointSet};

/// TCP and UDP ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// TCP ports.
    pub tcp: Ports,
    /// UDP ports.
    pub udp: Ports,
}

impl Reach {
    /// The ports of all names and prefixes of a set.
    pub fn of(set: &EndpointSet) -> Self {
        Self {
            tcp: set.tcp_ports.clone(),
            udp: set.udp_ports.clone(),
        }
    }

    /// What either reaches.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.union(&other.tcp),
            udp: self.udp.union(&other.udp),
        }
    }

    /// What `other` does not reach.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self {
            tcp: self.tcp.minus(&other.tcp),
            udp: self.udp.minus(&other.udp),
        }
    }

    /// Whether no port is reached.
    pub fn is_empty(&self) -> bool {
        self.tcp.is_empty() && self.udp.is_empty()
    }

    /// `tcp 80,443 udp 443`; `no port` for none.
    pub fn text(&self) -> String {
        let protocols = [("tcp", &self.tcp), ("udp", &self.udp)];
        let named = protocols.iter().filter(|(_, ports)| !ports.is_empty());
        let named: Vec<_> = named
            .map(|(protocol, ports)| format!("{protocol} {ports}"))
            .collect();
        if named.is_empty() {
            return "no port".to_owned();
        }
        named.join(" ")
    }
}
