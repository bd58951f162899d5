//! By which mark a client is in its group.

use egress_common::flow::Flow;

use super::words;
use crate::{
    config::{Config, group::Group},
    policy::tables::longest,
};

/// The marks of the group that decide, as words: `by 172.20.0.0/16`, `by VLAN 30 and 172.20.0.0/16`.
pub fn because(group: &Group, flow: &Flow, interface: Option<&str>) -> String {
    let members = &group.members;
    let client = flow.src.into();
    let prefix = longest(members.clients.iter().map(|prefix| (prefix, &())), client);
    let named = interface.filter(|name| members.interfaces.iter().any(|known| known == name));
    let marks = [
        (members.macs.contains(&flow.mac)).then(|| format!("MAC {}", words::mac(flow.mac))),
        (members.vlans.contains(&flow.vlan)).then(|| format!("VLAN {}", flow.vlan)),
        named.map(|name| format!("interface {name}")),
        prefix.map(|(prefix, ())| prefix.to_string()),
    ];
    let marks: Vec<_> = marks.into_iter().flatten().collect();
    match marks.is_empty() {
        true => "as the default group: no other one takes it".to_owned(),
        false => format!("by {}", marks.join(" and ")),
    }
}

/// The groups whose prefixes hold a client without any that takes it, and what they want besides.
pub fn missed(config: &Config, flow: &Flow) -> Vec<String> {
    let client = std::net::IpAddr::from(flow.src);
    let holds = |group: &&Group| {
        let clients = &group.members.clients;
        group.members.level() > 0
            && (clients.is_empty() || clients.iter().any(|prefix| prefix.contains(&client)))
    };
    let wants = |group: &Group| {
        let members = &group.members;
        let lists = [
            ("a listed MAC", members.macs.is_empty()),
            ("one of its VLANs", members.vlans.is_empty()),
            ("one of its interfaces", members.interfaces.is_empty()),
        ];
        let wanted = lists.iter().filter(|(_, is_empty)| !is_empty);
        let wanted: Vec<_> = wanted.map(|(what, _)| *what).collect();
        format!("{} wants {}", group.name, wanted.join(" and "))
    };
    config.groups.iter().filter(holds).map(wants).collect()
}
