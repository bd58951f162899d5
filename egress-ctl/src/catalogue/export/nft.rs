//! Sets for nftables.
//!
//! In: endpoint sets. Out: a table with, for each combination of ports, a set of IPv4 and one of
//! IPv6 prefixes and the rule that uses them; names stand in comments, since nftables knows none.

use std::{collections::BTreeMap, fmt::Write as _};

use ipnet::IpNet;

use crate::catalogue::set::EndpointSet;

/// Prefixes by the protocol and the ports on which they are needed.
type ByPorts<'a> = BTreeMap<(&'static str, String), Vec<&'a IpNet>>;

/// The text of a file for `nft -f`.
pub(super) fn text(sets: &[&EndpointSet]) -> String {
    let mut text = String::from("table inet egress_export {\n");
    let mut rules = String::new();
    for (i, ((protocol, ports), prefixes)) in by_ports(sets).iter().enumerate() {
        for (family, of_family) in [("ip", true), ("ip6", false)] {
            let mut elements: Vec<IpNet> = prefixes
                .iter()
                .filter(|p| p.addr().is_ipv4() == of_family)
                .map(|p| **p)
                .collect();
            if elements.is_empty() {
                continue;
            }
            elements.sort();
            elements.dedup();
            let name = format!(
                "egress_{}_{protocol}{i}",
                if of_family { "v4" } else { "v6" }
            );
            let kind = if of_family { "ipv4_addr" } else { "ipv6_addr" };
            let elements: Vec<_> = IpNet::aggregate(&elements)
                .iter()
                .map(ToString::to_string)
                .collect();
            // Writing into a string cannot fail.
            let _: std::fmt::Result = write!(
                text,
                "\tset {name} {{\n\t\ttype {kind}\n\t\tflags interval\n\t\telements = {{ {} }}\n\t}}\n",
                elements.join(", ")
            );
            let _: std::fmt::Result = writeln!(
                rules,
                "\t\t{family} daddr @{name} {protocol} dport {{ {} }} accept",
                ports.replace(',', ", ")
            );
        }
    }
    text + "\tchain egress_allow {\n" + &rules + "\t}\n}\n"
}

fn by_ports<'a>(sets: &[&'a EndpointSet]) -> ByPorts<'a> {
    let mut all = ByPorts::new();
    for set in sets {
        for (protocol, ports) in [("tcp", &set.tcp_ports), ("udp", &set.udp_ports)] {
            if !ports.is_empty() {
                all.entry((protocol, ports.to_string()))
                    .or_default()
                    .extend(&set.ips);
            }
        }
    }
    all
}
