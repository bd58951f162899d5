//! Tables of interfaces, good and bad.

use super::*;
use crate::doctor::finding::Outcome::{self, Fail, Ok, Skipped, Warn};

const NATIVE: XdpFeatures = XdpFeatures {
    is_native: true,
    has_fragments: false,
};

fn good() -> Device {
    Device {
        name: "eth1".to_owned(),
        is_up: true,
        layer: Layer::Ethernet,
        driver: Some("igb".to_owned()),
        xdp: Some(NATIVE),
        judged: Some("native"),
        occupants: vec![occupant(Side::Xdp, true)],
        offloads: Offloads::default(),
        mtu: 1500,
        gro_max: Some(65_536),
        forwards_v4: Some(true),
        forwards_v6: Some(true),
        rp_filter: 1,
        tells_vlans: false,
    }
}

fn occupant(side: Side, is_ours: bool) -> Occupant {
    Occupant {
        side,
        id: 5,
        name: Some("prog".to_owned()),
        is_ours,
    }
}

fn lan(device: Option<Device>) -> Lan {
    Lan {
        name: "eth1".to_owned(),
        device,
        nearest: None,
    }
}

/// The outcome of one check of a device, and what was seen.
fn outcome(device: &Device, check: &str) -> (Outcome, String) {
    let found = judge(&[lan(Some(device.clone()))]);
    let one = found.iter().find(|one| one.check == check);
    let one = one.unwrap_or_else(|| panic!("no {check} in {found:?}"));
    (one.outcome, one.to_string())
}

#[test]
fn all_is_well() {
    let found = judge(&[lan(Some(good()))]);
    let outcomes: Vec<_> = found.iter().map(|one| one.outcome).collect();
    assert_eq!(outcomes, [Ok; 7], "{found:?}");
    assert!(found.iter().all(|one| one.about.as_deref() == Some("eth1")));
}

#[test]
fn what_is_not_there_is_waited_for_unless_nothing_is() {
    let known = lan(Some(good()));
    let mut waits = lan(None);
    waits.nearest = Some("eth2".to_owned());
    let both = judge(&[known, waits.clone()]);
    let last = both.last().unwrap();
    assert_eq!(last.outcome, Warn, "{last}");
    assert!(
        last.to_string().contains("gateway.lan = [\"eth2\"]"),
        "{last}"
    );
    assert_eq!(judge(&[waits])[0].outcome, Fail);
    assert_eq!(judge(&[])[0].outcome, Skipped);
}

#[test]
fn a_device_of_another_kind_is_refused() {
    let device = Device {
        layer: Layer::Other(778),
        ..good()
    };
    let found = judge(&[lan(Some(device))]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].outcome, Fail);
}

#[test]
fn one_thing_in_the_way_is_told_by_its_check() {
    type Change = fn(&mut Device);
    let table: [(&str, Change, &str, Outcome, &str); 22] = [
        (
            "down",
            |d| d.is_up = false,
            "interface",
            Warn,
            "ip link set eth1 up",
        ),
        (
            "no driver told",
            |d| d.driver = None,
            "interface",
            Ok,
            "eth1 is up",
        ),
        (
            "generic, but could",
            |d| d.judged = Some("generic"),
            "xdp",
            Warn,
            "status notes why",
        ),
        (
            "generic, and cannot",
            |d| {
                d.judged = Some("generic");
                d.xdp = Some(XdpFeatures {
                    is_native: false,
                    has_fragments: false,
                });
            },
            "xdp",
            Ok,
            "no XDP of its own",
        ),
        (
            "an old kernel",
            |d| {
                d.judged = Some("generic");
                d.xdp = None;
            },
            "xdp",
            Ok,
            "from Linux 6.3 on",
        ),
        ("not started", |d| d.judged = None, "xdp", Ok, "can judge"),
        (
            "not started, old kernel",
            |d| {
                d.judged = None;
                d.xdp = None;
            },
            "xdp",
            Skipped,
            "the daemon tries it",
        ),
        (
            "WireGuard",
            |d| d.layer = Layer::Ip,
            "xdp",
            Ok,
            "TC ingress",
        ),
        (
            "foreign XDP",
            |d| d.occupants = vec![occupant(Side::Xdp, false)],
            "programs",
            Warn,
            "somebody else, `prog` (id 5), is there: packets are judged behind it",
        ),
        (
            "foreign TC",
            |d| d.occupants.push(occupant(Side::Egress, false)),
            "programs",
            Warn,
            "tc filter show dev eth1 egress",
        ),
        ("none", |d| d.occupants.clear(), "programs", Ok, "none"),
        (
            "LRO",
            |d| d.offloads.lro = true,
            "offloads",
            Warn,
            "ethtool -K eth1 lro off",
        ),
        (
            "GRO",
            |d| d.offloads.gro_hw = true,
            "offloads",
            Warn,
            "ethtool -K eth1 rx-gro-hw off",
        ),
        (
            "LRO, but at TC",
            |d| {
                d.offloads.lro = true;
                d.judged = Some("tcx");
            },
            "offloads",
            Ok,
            "none in the way",
        ),
        (
            "VLANs, not asked for",
            |d| d.offloads.vlan = true,
            "offloads",
            Ok,
            "none in the way",
        ),
        (
            "VLANs",
            |d| {
                d.offloads.vlan = true;
                d.tells_vlans = true;
            },
            "offloads",
            Warn,
            "ethtool -K eth1 rxvlan off",
        ),
        (
            "jumbo frames",
            |d| {
                d.mtu = 9000;
                d.judged = Some("generic");
            },
            "mtu",
            Warn,
            "ip link set eth1 mtu 3498",
        ),
        (
            "jumbo frames in pieces",
            |d| {
                d.mtu = 9000;
                d.judged = None;
                d.xdp = Some(XdpFeatures {
                    has_fragments: true,
                    ..NATIVE
                });
            },
            "mtu",
            Ok,
            "9000 bytes",
        ),
        (
            "big GRO",
            |d| d.gro_max = Some(131_072),
            "mtu",
            Warn,
            "gro_max_size 65536",
        ),
        (
            "IPv6 is not forwarded",
            |d| d.forwards_v6 = Some(false),
            "forwarding",
            Warn,
            "sysctl -w net.ipv6.conf.eth1.forwarding=1",
        ),
        (
            "no address",
            |d| {
                d.forwards_v4 = None;
                d.forwards_v6 = None;
            },
            "forwarding",
            Skipped,
            "no address",
        ),
        (
            "no sender is checked",
            |d| d.rp_filter = 0,
            "rp-filter",
            Warn,
            "sysctl -w net.ipv4.conf.eth1.rp_filter=1",
        ),
    ];
    for (what, change, check, expected, words) in table {
        let mut device = good();
        change(&mut device);
        let (outcome, line) = outcome(&device, check);
        assert_eq!(outcome, expected, "{what}: {line}");
        assert!(line.contains(words), "{what}: {line}");
    }
}
