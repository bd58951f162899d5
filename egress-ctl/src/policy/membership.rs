//! Which group takes a client.
//!
//! In: the marks of all groups. Out: zones (where clients come in, and which listed machines they are)
//! and in each zone source prefixes with their group, so that the kernel finds the group of a packet by
//! its zone and one longest match.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::group::{Group, Members};

/// Zones, and who belongs to which group in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// Places that are zones of their own, by number from 1; everywhere else is zone 0.
    pub places: Vec<Place>,
    /// A zone and a listed machine there, and the machine's own zone.
    pub machines: BTreeMap<(u32, [u8; 6]), u32>,
    /// Group of the clients of a prefix in a zone.
    pub clients: BTreeMap<(u32, IpNet), u32>,
}

/// An interface, a VLAN, or a VLAN of an interface; what is not named does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Name of the interface.
    pub interface: Option<String>,
    /// VLAN of the outer tag.
    pub vlan: Option<u16>,
}

impl Membership {
    /// Of these groups, in the order of their numbers.
    pub fn of(groups: &[Group]) -> Self {
        let places = places(groups);
        let mut membership = Self::default();
        let mut next = places.len() as u32 + 1;
        let everywhere = [Place::default()];
        for (zone, place) in (0..).zip(everywhere.iter().chain(&places)) {
            membership.fill(zone, place, None, groups);
            for (mac, own) in machines(place, groups, &mut next) {
                membership.machines.insert((zone, mac), own);
                membership.fill(own, place, Some(mac), groups);
            }
        }
        membership.places = places;
        membership
    }

    /// Number of the zone of a place; 0 where it is like everywhere else.
    pub fn zone(&self, interface: Option<&str>, vlan: u16) -> u32 {
        let named = |vlan: Option<u16>| {
            let interfaces = [interface, None];
            let mut wanted = interfaces.into_iter().map(|interface| Place {
                interface: interface.map(str::to_owned),
                vlan,
            });
            wanted.find_map(|wanted| self.places.iter().position(|place| *place == wanted))
        };
        let found = named(Some(vlan)).or_else(|| named(None));
        found.map_or(0, |place| place as u32 + 1)
    }

    /// VLANs that make a difference somewhere.
    pub fn vlans(&self) -> BTreeSet<u16> {
        self.places.iter().filter_map(|place| place.vlan).collect()
    }

    /// Numbers of the groups that some client behind these interfaces belongs to.
    pub fn taking(&self, lan: &[String]) -> BTreeSet<u32> {
        let vlans: Vec<_> = self.vlans().into_iter().chain([0]).collect();
        let of = |name: &String| {
            let zones = vlans.iter().map(|vlan| self.zone(Some(name), *vlan));
            zones.collect::<Vec<_>>()
        };
        let places: BTreeSet<u32> = lan.iter().flat_map(of).collect();
        let machines = self.machines.iter();
        let machines = machines.filter(|((place, _), _)| places.contains(place));
        let machines = machines.map(|(_, zone)| *zone);
        let zones: BTreeSet<u32> = machines.chain(places.iter().copied()).collect();
        let clients = self.clients.iter();
        let clients = clients.filter(|((zone, _), _)| zones.contains(zone));
        clients.map(|(_, group)| *group).collect()
    }

    /// Puts the prefixes of all groups that fit a zone into it. A prefix that a more specific mark of
    /// another group covers would never be asked, and is left out.
    fn fill(&mut self, zone: u32, place: &Place, mac: Option<[u8; 6]>, groups: &[Group]) {
        let level = |group: &Group| group.members.level();
        let fitting = |(_, group): &(u32, &Group)| fits(&group.members, place, mac);
        let mut fitting: Vec<_> = (0..).zip(groups).filter(fitting).collect();
        fitting.sort_by_key(|(_, group)| std::cmp::Reverse(level(group)));
        let mut above: Vec<IpNet> = Vec::new();
        for rivals in fitting.chunk_by(|(_, a), (_, b)| level(a) == level(b)) {
            let prefixes = |(number, group): &(u32, &Group)| {
                let number = *number;
                prefixes(group)
                    .into_iter()
                    .map(move |prefix| (prefix, number))
            };
            let these: Vec<_> = rivals.iter().flat_map(prefixes).collect();
            self.take(zone, &above, &these);
            above.extend(these.into_iter().map(|(prefix, _)| prefix));
        }
        let default = groups.iter().position(|group| group.is_default);
        let rest = default.map(|number| EVERYBODY.map(|prefix| (prefix, number as u32)));
        self.take(
            zone,
            &above,
            &rest.into_iter().flatten().collect::<Vec<_>>(),
        );
    }

    /// Notes the groups of prefixes that nothing `above` covers.
    fn take(&mut self, zone: u32, above: &[IpNet], these: &[(IpNet, u32)]) {
        for (prefix, number) in these {
            if !above.iter().any(|wide| wide.contains(prefix)) {
                self.clients.entry((zone, *prefix)).or_insert(*number);
            }
        }
    }
}

/// All addresses of both families.
pub(super) const EVERYBODY: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
];

fn fits(members: &Members, place: &Place, mac: Option<[u8; 6]>) -> bool {
    let Members {
        interfaces,
        vlans,
        macs,
        ..
    } = members;
    let at_interface = place
        .interface
        .as_ref()
        .is_some_and(|name| interfaces.contains(name));
    let at_vlan = place.vlan.is_some_and(|vlan| vlans.contains(&vlan));
    let is_machine = mac.is_some_and(|mac| macs.contains(&mac));
    (interfaces.is_empty() || at_interface)
        && (vlans.is_empty() || at_vlan)
        && (macs.is_empty() || is_machine)
}

/// All combinations of the interfaces and VLANs that groups name; one VLAN in front of every interface.
fn places(groups: &[Group]) -> Vec<Place> {
    let members = || groups.iter().map(|group| &group.members);
    let interfaces: BTreeSet<_> = members().flat_map(|m| m.interfaces.clone()).collect();
    let vlans: BTreeSet<_> = members().flat_map(|m| m.vlans.clone()).collect();
    let interfaces = interfaces.into_iter().map(Some).chain([None]);
    let vlans: Vec<_> = vlans.into_iter().map(Some).chain([None]).collect();
    let all = interfaces.flat_map(|interface| {
        vlans.iter().map(move |vlan| Place {
            interface: interface.clone(),
            vlan: *vlan,
        })
    });
    all.filter(|place| *place != Place::default()).collect()
}

/// Machines that some group lists and takes at this place, each with a zone; machines that the same
/// groups list share one.
fn machines(place: &Place, groups: &[Group], next: &mut u32) -> Vec<([u8; 6], u32)> {
    let listed: BTreeSet<_> = groups
        .iter()
        .flat_map(|group| &group.members.macs)
        .collect();
    let mut zones: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
    let mut machines = Vec::new();
    for mac in listed {
        let of = |(_, group): &(usize, &Group)| {
            group.members.macs.contains(mac) && fits(&group.members, place, Some(*mac))
        };
        let lists: Vec<usize> = groups
            .iter()
            .enumerate()
            .filter(of)
            .map(|(i, _)| i)
            .collect();
        if lists.is_empty() {
            continue;
        }
        let zone = *zones.entry(lists).or_insert_with(|| {
            *next += 1;
            *next - 1
        });
        machines.push((*mac, zone));
    }
    machines
}

/// The group's prefixes; all addresses where they do not matter to it but something else does.
fn prefixes(group: &Group) -> Vec<IpNet> {
    let Members { clients, .. } = &group.members;
    match clients.is_empty() && group.members.level() > 0 {
        true => EVERYBODY.to_vec(),
        false => clients.clone(),
    }
}

#[cfg(test)]
mod tests {
    use egress_common::verdict::Denial;

    use super::*;

    fn group(name: &str, members: Members) -> Group {
        Group {
            name: name.to_owned(),
            members,
            is_default: false,
            mode: None,
            denial: Denial::Drop,
            allow: Vec::new(),
            empty: Vec::new(),
            rules: Vec::new(),
            steer: crate::config::steer::Steer::default(),
            dns: egress_common::dns::policy::DnsPolicy::Watch,
            dns_names: Vec::new(),
        }
    }

    fn prefix(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn groups_by_address_alone_need_one_zone() {
        let clients = |text| Members {
            clients: vec![prefix(text)],
            ..Members::default()
        };
        let groups = [
            group("a", clients("10.0.0.0/8")),
            group("b", clients("10.1.0.0/16")),
        ];
        let membership = Membership::of(&groups);
        assert!(membership.places.is_empty() && membership.machines.is_empty());
        let expected = [
            ((0, prefix("10.0.0.0/8")), 0),
            ((0, prefix("10.1.0.0/16")), 1),
        ];
        assert_eq!(membership.clients, expected.into());
    }

    #[test]
    fn a_named_vlan_is_a_zone_of_every_interface() {
        let by_interface = Members {
            interfaces: vec!["eth1".to_owned()],
            ..Members::default()
        };
        let by_vlan = Members {
            vlans: vec![30],
            ..Members::default()
        };
        let membership = Membership::of(&[group("a", by_interface), group("b", by_vlan)]);
        assert_eq!(membership.places.len(), 3);
        let group_at = |interface, vlan| {
            let zone = membership.zone(Some(interface), vlan);
            membership
                .clients
                .get(&(zone, prefix("0.0.0.0/0")))
                .copied()
        };
        let table = [
            ("eth1", 0, Some(0)),
            ("eth1", 31, Some(0)),
            ("eth1", 30, Some(1)),
            ("eth2", 30, Some(1)),
            ("eth2", 0, None),
        ];
        for (interface, vlan, expected) in table {
            assert_eq!(group_at(interface, vlan), expected, "{interface} {vlan}");
        }
    }

    #[test]
    fn a_group_behind_others_takes_nobody() {
        let by = |interfaces: &[&str], vlans: &[u16], clients: &[&str]| Members {
            interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
            vlans: vlans.to_vec(),
            clients: clients.iter().map(|text| prefix(text)).collect(),
            ..Members::default()
        };
        let lan = ["eth1", "eth2"].map(str::to_owned);
        let prefixes = by(&[], &[], &["10.0.0.0/8"]);
        let table: [(Members, &[u32]); 6] = [
            (by(&["eth1", "eth2"], &[], &[]), &[1]),
            (by(&["eth1"], &[], &[]), &[0, 1]),
            (by(&["eth3"], &[], &[]), &[0]),
            (by(&["eth1", "eth2"], &[], &["10.0.0.0/7"]), &[1]),
            (by(&["eth1", "eth2"], &[], &["10.0.0.0/9"]), &[0, 1]),
            (by(&["eth1", "eth2"], &[30], &[]), &[0, 1]),
        ];
        for (special, expected) in table {
            let groups = [group("a", prefixes.clone()), group("b", special.clone())];
            let taking = Membership::of(&groups).taking(&lan);
            assert_eq!(taking, expected.iter().copied().collect(), "{special:?}");
        }
    }

    #[test]
    fn machines_of_the_same_groups_share_a_zone() {
        let mac = |last| [2, 0, 0, 0, 0, last];
        let by_mac = |macs: &[u8]| Members {
            macs: macs.iter().map(|last| mac(*last)).collect(),
            ..Members::default()
        };
        let membership =
            Membership::of(&[group("a", by_mac(&[1, 2, 3])), group("b", by_mac(&[3]))]);
        let zone = |last| membership.machines.get(&(0, mac(last)));
        // Zone 0 is everywhere, and no place is another one.
        assert_eq!([1, 2, 3].map(zone), [Some(&1), Some(&1), Some(&2)]);
        assert_eq!(zone(4), None);
    }

    #[test]
    fn a_machine_has_a_zone_only_where_a_group_takes_it() {
        let mac = [2, 0, 0, 0, 0, 1];
        let at = |interface: &str, macs: &[[u8; 6]]| Members {
            interfaces: vec![interface.to_owned()],
            macs: macs.to_vec(),
            ..Members::default()
        };
        let groups = [
            group("a", at("eth1", &[mac])),
            group("b", at("eth2", &[])),
            group("c", at("eth1", &[])),
        ];
        let membership = Membership::of(&groups);
        let zone = membership.zone(Some("eth1"), 0);
        let machines: Vec<_> = membership.machines.keys().copied().collect();
        assert_eq!(machines, [(zone, mac)]);
    }

    #[test]
    fn a_group_without_marks_takes_nobody_unless_others_leave_all_to_it() {
        let plain = group("a", Members::default());
        assert!(
            Membership::of(std::slice::from_ref(&plain))
                .clients
                .is_empty()
        );
        let default = Group {
            is_default: true,
            ..plain
        };
        let expected = EVERYBODY.map(|prefix| ((0, prefix), 0));
        assert_eq!(Membership::of(&[default]).clients, expected.into());
    }
}
