//! Rules of other filters: a catalogue in, scripts that let datagrams to port 443 of its prefixes pass and
//! nothing else out.
//!
//! Nobody answers in this bench, so no packet belongs to a connection that conntrack calls established.

use anyhow::Result;
use ipnet::Ipv4Net;
use lab::topology::LAN_INTERFACE;

use super::super::super::catalogue::Catalogue;
use super::super::super::ruleset::{SET_V4, set_v4};
use super::script::Script;

/// A set of nftables in the hook of what is forwarded, as firewalls have it.
pub(super) fn nft_conntrack(catalogue: &Catalogue) -> Result<Script> {
    let set = set_v4(catalogue)?;
    let rules = format!(
        "table inet bench {{\n{set} chain forward {{\n  type filter hook forward priority 0; policy drop;\n  \
         ct state established,related accept\n  ip daddr @{SET_V4} udp dport 443 accept\n }}\n}}\n"
    );
    Ok(Script {
        files: vec![("forward.nft", rules)],
        put: &["nft -f {}/forward.nft"],
        take: &["nft flush ruleset"],
    })
}

/// The same set before routing, without connections.
pub(super) fn nft_ingress(catalogue: &Catalogue) -> Result<Script> {
    let set = set_v4(catalogue)?;
    let rules = format!(
        "table netdev bench {{\n{set} chain lan {{\n  type filter hook ingress device \"{LAN_INTERFACE}\" \
         priority 0; policy drop;\n  ip daddr @{SET_V4} udp dport 443 accept\n  meta protocol != ip accept\n }}\n}}\n"
    );
    Ok(Script {
        files: vec![("ingress.nft", rules)],
        put: &["nft -f {}/ingress.nft"],
        take: &["nft flush ruleset"],
    })
}

/// A set of ipset, and iptables.
pub(super) fn ipset_conntrack(nets: &[Ipv4Net]) -> Script {
    let add = |net: &Ipv4Net| format!("add listed {net}\n");
    let set: String = nets.iter().map(add).collect();
    let rules = "*filter\n:FORWARD DROP [0:0]\n\
                 -A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n\
                 -A FORWARD -p udp --dport 443 -m set --match-set listed dst -j ACCEPT\n\
                 COMMIT\n";
    Script {
        files: vec![
            (
                "ipset",
                format!("create listed hash:net family inet\n{set}"),
            ),
            ("iptables", rules.to_owned()),
        ],
        put: &[
            "ipset restore -file {}/ipset",
            "iptables-nft-restore {}/iptables",
        ],
        take: &["nft flush ruleset", "ipset destroy"],
    }
}

/// A filter of tc a prefix, looked at one after the other.
pub(super) fn tc_u32(nets: &[Ipv4Net]) -> Script {
    let pass = |net: &Ipv4Net| {
        format!(
            "{TC} prio 1 u32 match ip protocol 17 0xff match ip dst {net} match ip dport 443 0xffff action pass\n"
        )
    };
    let passes: String = nets.iter().map(pass).collect();
    tc(
        "u32.tc",
        format!("{passes}{TC} prio 2 u32 match u32 0 0 action drop\n"),
        &[QDISC, "tc -batch {}/u32.tc"],
    )
}

/// A filter of tc a prefix, those of one length in one table.
pub(super) fn tc_flower(nets: &[Ipv4Net]) -> Script {
    let pass = |net: &Ipv4Net| {
        format!("{TC} prio 1 flower ip_proto udp dst_port 443 dst_ip {net} action pass\n")
    };
    let passes: String = nets.iter().map(pass).collect();
    tc(
        "flower.tc",
        format!("{passes}{TC} prio 2 flower action drop\n"),
        &[QDISC, "tc -batch {}/flower.tc"],
    )
}

/// How a line of a batch begins.
const TC: &str = "filter add dev lan ingress protocol ip";
const QDISC: &str = "tc qdisc add dev lan clsact";

fn tc(file: &'static str, batch: String, put: &'static [&'static str]) -> Script {
    Script {
        files: vec![(file, batch)],
        put,
        take: &["tc qdisc delete dev lan clsact"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_prefix_has_its_line() {
        let nets = ["192.0.2.0/24", "198.51.100.7/32"].map(|net| net.parse().unwrap());
        for (script, lines) in [
            (ipset_conntrack(&nets), 3),
            (tc_u32(&nets), 3),
            (tc_flower(&nets), 3),
        ] {
            let (name, text) = &script.files[0];
            assert_eq!(text.lines().count(), lines, "{name}: {text}");
            for net in nets {
                assert!(text.contains(&net.to_string()), "{name}: {text}");
            }
        }
    }
}
