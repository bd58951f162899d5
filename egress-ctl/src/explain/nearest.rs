//! The endpoint set that is nearest to a packet which nothing allowed.
//!
//! In: a config, a destination, and who asked for it. Out: the set that covers the destination for other
//! ports or other groups, or else the one with the prefix that shares most bits with it.

use std::{fmt, net::IpAddr};

use egress_common::flow::proto;
use ipnet::IpNet;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cover::{Cover, Source, groups_of},
    words,
};
use crate::{catalogue::set::EndpointSet, config::Config};

/// A set, and what is between it and the packet.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Nearest {
    /// The set's key.
    pub set: String,
    /// What is between.
    #[serde(flatten)]
    pub gap: Gap,
}

/// What is between a set and a packet, from near to far.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "gap")]
pub enum Gap {
    /// The set is for this group and destination: on these ports.
    Ports {
        /// The set's ports.
        ports: String,
    },
    /// The set has destination and port: for these groups.
    Groups {
        /// Their names; nobody's where there are none.
        groups: Vec<String>,
    },
    /// The set has the destination, on other ports and for other groups.
    Both {
        /// The set's ports.
        ports: String,
        /// Names of the groups.
        groups: Vec<String>,
    },
    /// The set has a prefix beside the destination.
    Beside {
        /// That prefix.
        #[schemars(with = "String")]
        prefix: IpNet,
    },
}

/// Prefixes that share fewer bits with an IPv4 or an IPv6 address are not near.
const NEAR_BITS: [u8; 2] = [16, 32];

/// The nearest set of those in `covers`, or by their prefixes of all that some group may reach.
pub fn nearest(
    config: &Config,
    covers: &[Cover<'_>],
    addr: IpAddr,
    service: (u8, u16),
    group: Option<&str>,
) -> Option<Nearest> {
    let covering = covers.iter().filter_map(|cover| match cover.source {
        Source::Set(set) => Some(Nearest {
            set: set.key.clone(),
            gap: gap(config, set, service, group),
        }),
        Source::Rule(..) => None,
    });
    let covering = covering.min_by(|a, b| a.gap.cmp(&b.gap));
    covering.or_else(|| beside(config, addr))
}

fn gap(config: &Config, set: &EndpointSet, service: (u8, u16), group: Option<&str>) -> Gap {
    let groups = groups_of(config, set);
    let ports = words::ports(&set.tcp_ports, &set.udp_ports);
    let is_for = group.is_some_and(|group| groups.iter().any(|name| name == group));
    match (is_for, serves(set, service)) {
        (true, _) => Gap::Ports { ports },
        (false, true) => Gap::Groups { groups },
        (false, false) => Gap::Both { ports, groups },
    }
}

/// Whether a set has this port of this protocol.
pub fn serves(set: &EndpointSet, (number, port): (u8, u16)) -> bool {
    match number {
        proto::TCP => set.tcp_ports.contains(port),
        proto::UDP => set.udp_ports.contains(port),
        _ => false,
    }
}

fn beside(config: &Config, addr: IpAddr) -> Option<Nearest> {
    let [v4, v6] = NEAR_BITS;
    let near = if addr.is_ipv4() { v4 } else { v6 };
    let sets = config.catalogue.sets().iter();
    let selected = sets.filter(|set| !groups_of(config, set).is_empty());
    let prefixes = selected.flat_map(|set| set.ips.iter().map(move |prefix| (set, *prefix)));
    let shared = prefixes.filter_map(|(set, prefix)| Some((shared(prefix, addr)?, set, prefix)));
    let near = shared.filter(|(bits, ..)| *bits >= near);
    let (_, set, prefix) = near.max_by_key(|(bits, ..)| *bits)?;
    Some(Nearest {
        set: set.key.clone(),
        gap: Gap::Beside { prefix },
    })
}

/// Leading bits that an address shares with a prefix; none of another family.
fn shared(prefix: IpNet, addr: IpAddr) -> Option<u8> {
    let bits = match (prefix.network(), addr) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
        _ => return None,
    };
    Some(prefix.prefix_len().min(bits as u8))
}

impl fmt::Display for Nearest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { set, gap } = self;
        let whom = |groups: &[String]| match groups {
            [] => "nobody".to_owned(),
            groups => groups.join(", "),
        };
        match gap {
            Gap::Ports { ports } => write!(f, "{set} allows {ports} there"),
            Gap::Groups { groups } => write!(f, "{set} allows it for {}", whom(groups)),
            Gap::Both { ports, groups } => {
                write!(f, "{set} allows {ports} there for {}", whom(groups))
            }
            Gap::Beside { prefix } => write!(f, "the nearest set is {set} with {prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explain::cover;

    const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["192.0.2.0/24"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
ips = ["198.51.100.0/24", "2001:db8::/32"]
tcpPorts = "443"
[group.a]
clients = ["10.1.0.0/16"]
allow = ["corp:1"]
[group.b]
clients = ["10.2.0.0/16"]
allow = ["corp:2"]
"#;

    #[test]
    fn the_nearest_set_says_what_is_between() {
        let config = Config::parse(CONFIG).unwrap();
        let table = [
            ("192.0.2.9", 8443, "a", "corp:1 allows tcp 443 there"),
            ("192.0.2.9", 443, "b", "corp:1 allows it for a"),
            ("192.0.2.9", 80, "b", "corp:1 allows tcp 443 there for a"),
            (
                "192.0.9.9",
                443,
                "a",
                "the nearest set is corp:1 with 192.0.2.0/24",
            ),
            ("2001:db8::1", 443, "a", "corp:2 allows it for b"),
            ("203.0.113.1", 443, "a", ""),
        ];
        for (addr, port, group, expected) in table {
            let addr = addr.parse().unwrap();
            let covers = cover::of_address(&config, addr);
            let found = nearest(&config, &covers, addr, (proto::TCP, port), Some(group));
            let text = found.map(|nearest| nearest.to_string());
            assert_eq!(text.unwrap_or_default(), expected, "{addr} {port} {group}");
        }
    }
}
