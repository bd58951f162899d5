//! Destinations that editions let through or not: editions in, addresses and ports out.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use lab::feed::edition::{Edition, Set};
use lab::flow::Family;

/// Where in a prefix the address stands, so that none is a network's or a gateway's own.
const OFFSET: u128 = 9;

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

/// The first destination of a family that all of some editions let through and all of others do not.
pub(super) fn find(
    protocol: Protocol,
    family: Family,
    port: Option<u16>,
    through: &[&Edition],
    not: &[&Edition],
) -> Option<SocketAddr> {
    let first = through.first()?;
    let mut all = first.sets().flat_map(|set| destinations(set, protocol));
    all.find(|target| {
        let reached = |edition: &&Edition| reaches(edition, protocol, *target);
        Family::of(target.ip()) == family
            && port.is_none_or(|port| target.port() == port)
            && through.iter().all(reached)
            && !not.iter().any(reached)
    })
}

/// Whether a prefix holds an address; a name holds none.
pub(super) fn holds(entry: &str, address: IpAddr) -> bool {
    let net: Option<IpNet> = entry.parse().ok();
    net.is_some_and(|net| net.contains(&address))
}

fn destinations(set: &Set, protocol: Protocol) -> Vec<SocketAddr> {
    let ranges = ranges(set, protocol);
    let addresses = set.ips.iter().filter_map(|ip| address(ip.parse().ok()?));
    addresses
        .flat_map(|address| ranges.iter().map(move |(low, _)| (address, *low).into()))
        .collect()
}

fn reaches(edition: &Edition, protocol: Protocol, target: SocketAddr) -> bool {
    edition.sets().any(|set| {
        let ports = ranges(set, protocol);
        let listed = |(low, high): &(u16, u16)| (*low..=*high).contains(&target.port());
        ports.iter().any(listed) && set.ips.iter().any(|ip| holds(ip, target.ip()))
    })
}

fn ranges(set: &Set, protocol: Protocol) -> Vec<(u16, u16)> {
    let ports = match protocol {
        Protocol::Tcp => &set.tcp_ports,
        Protocol::Udp => &set.udp_ports,
    };
    let ranges = ports.as_deref().unwrap_or_default().split(',');
    ranges
        .filter_map(|range| {
            let (low, high) = range.split_once('-').unwrap_or((range, range));
            Some((low.trim().parse().ok()?, high.trim().parse().ok()?))
        })
        .collect()
}

/// An address inside of a prefix.
fn address(net: IpNet) -> Option<IpAddr> {
    let inside = match net.network() {
        IpAddr::V4(network) => {
            let offset = u32::try_from(OFFSET).ok()?;
            IpAddr::from(network.to_bits().checked_add(offset)?.to_be_bytes())
        }
        IpAddr::V6(network) => IpAddr::from(network.to_bits().checked_add(OFFSET)?.to_be_bytes()),
    };
    Some(inside).filter(|address| net.contains(address))
}

#[cfg(test)]
mod tests {
    use lab::feed::made_up::{VERSIONS, archive};

    use super::*;

    #[test]
    fn what_stays_what_comes_and_what_goes_is_found() {
        let archive = archive("x");
        let shelf = archive.shelf("x").unwrap();
        let edition = |at: usize| shelf.edition(VERSIONS[at].parse().unwrap()).unwrap();
        let (a, b) = (edition(0), edition(1));
        let table: [(&str, &[&Edition], &[&Edition]); 3] = [
            ("stays", &[a, b], &[]),
            ("comes", &[b], &[a]),
            ("goes", &[a], &[b]),
        ];
        for (what, through, not) in table {
            for family in [Family::Ipv4, Family::Ipv6] {
                let found = find(Protocol::Tcp, family, Some(443), through, not).expect(what);
                let is_held = |one: &&Edition| one.ips().iter().any(|ip| holds(ip, found.ip()));
                assert!(
                    through.iter().all(is_held) && !not.iter().any(is_held),
                    "{what}"
                );
            }
        }
        let udp = find(Protocol::Udp, Family::Ipv6, None, &[a, b], &[]).unwrap();
        assert_eq!(udp.port(), 3478);
    }

    #[test]
    fn addresses_lie_in_their_prefixes() {
        for (net, expected) in [
            ("40.96.0.0/13", Some("40.96.0.9")),
            ("13.107.6.152/31", None),
            ("2603:1006::/40", Some("2603:1006::9")),
        ] {
            let found = address(net.parse().unwrap());
            assert_eq!(found, expected.map(|text| text.parse().unwrap()), "{net}");
        }
    }
}
