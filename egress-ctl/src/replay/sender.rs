//! Which packets of a capture come from clients.
//!
//! In: the groups of a config, or prefixes that the user names. Out: for each frame whether LAN ingress
//! would have seen it, or LAN egress.

use std::{collections::HashSet, net::IpAddr};

use egress_common::{
    flow::{Addr, DNS_PORT, proto},
    parse::{Datagram, parse},
};
use ipnet::IpNet;

use crate::config::Config;

/// Where a frame of a capture went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client, whose address this is; none where the frame has none that can be read.
    FromClient(Option<IpAddr>),
    /// A DNS answer to a client.
    Answer,
    /// Neither.
    Other,
}

/// Tells clients' packets from others.
#[derive(Debug)]
pub struct Senders {
    prefixes: Vec<IpNet>,
    /// MAC addresses that clients' packets came from.
    macs: HashSet<[u8; 6]>,
}

/// Where clients are if nothing says it: private and link-local addresses (RFC 1918, 4193, 6598).
const PRIVATE: [&str; 6] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
];

impl Senders {
    /// Clients of these prefixes; where there are none, of the config's groups, and of all private
    /// addresses where a group takes clients whatever their address.
    pub fn new(named: &[IpNet], config: &Config) -> Self {
        let groups = || config.groups.iter();
        let mut prefixes = named.to_vec();
        if named.is_empty() {
            prefixes.extend(groups().flat_map(|group| &group.members.clients));
            if groups().any(|group| group.is_default || group.members.clients.is_empty()) {
                prefixes.extend(PRIVATE.iter().filter_map(|text| text.parse::<IpNet>().ok()));
            }
        }
        Self {
            prefixes,
            macs: HashSet::new(),
        }
    }

    /// Where a frame went.
    pub fn way(&mut self, frame: &[u8]) -> Way {
        match parse(frame) {
            Ok(datagram) => self.way_of(&datagram),
            // Its bytes do not say who sent it, but a MAC address of a client may.
            Err(_) => match frame.get(6..12) {
                Some(mac) if self.macs.iter().any(|known| known == mac) => Way::FromClient(None),
                _ => Way::Other,
            },
        }
    }

    fn way_of(&mut self, datagram: &Datagram) -> Way {
        let flow = &datagram.flow;
        let is_answer = flow.proto == proto::UDP && flow.src_port == DNS_PORT;
        if is_answer && self.is_client(flow.dst) {
            return Way::Answer;
        }
        if !self.is_client(flow.src) {
            return Way::Other;
        }
        if flow.mac != [0; 6] {
            self.macs.insert(flow.mac);
        }
        Way::FromClient(Some(flow.src.into()))
    }

    fn is_client(&self, addr: Addr) -> bool {
        let addr = IpAddr::from(addr);
        self.prefixes.iter().any(|prefix| prefix.contains(&addr))
    }
}
