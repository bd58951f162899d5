//! Many clients behind one MAC address, as behind a router: the filter notes the queries of one client, and of
//! one machine, at a limited rate, and so it learns what is new to it; no drill must exceed that.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use anyhow::Result;
use egress_common::bucket::Rate;
use egress_common::dns::{added, asked};
use ipnet::IpNet;
use lab::flow::Family;
use lab::link;
use lab::topology::{Lab, UPLINK};

/// How many.
const CLIENTS: u32 = 16;
/// 10.20.1.0/24 and fd00:20::1:0/112, of the same group as the lab's client.
const FIRST_V4: Ipv4Addr = Ipv4Addr::new(10, 20, 1, 1);
const FIRST_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x20, 0, 0, 0, 0, 1, 1);

/// Gives the client host all their addresses.
pub(super) fn gather(lab: &Lab) -> Result<()> {
    let families = [(Family::Ipv4, 16), (Family::Ipv6, 64)];
    let networks = families.into_iter().flat_map(|(family, length)| {
        (0..CLIENTS).map(move |client| IpNet::new_assert(source(family, client), length))
    });
    link::addresses(&lab.client, UPLINK, &networks.collect::<Vec<_>>())
}

/// Who asks in a cycle.
pub(super) fn source(family: Family, cycle: u32) -> IpAddr {
    let client = cycle % CLIENTS;
    match family {
        Family::Ipv4 => Ipv4Addr::from_bits(FIRST_V4.to_bits() + client).into(),
        Family::Ipv6 => Ipv6Addr::from_bits(FIRST_V6.to_bits() + u128::from(client)).into(),
    }
}

/// How long a cycle has to wait, of those that began then, so that a tenth of both shares is left.
pub(super) fn pause(began: Instant, cycle: u32) -> Duration {
    let due = |share: Rate| {
        let beyond = u64::from(cycle).saturating_sub(share.burst * 9 / 10);
        Duration::from_millis(beyond * share.every_ms) * 10 / 9
    };
    let due = due(asked::MACHINE_SHARE).max(due(added::MACHINE_SHARE));
    due.saturating_sub(began.elapsed())
}
