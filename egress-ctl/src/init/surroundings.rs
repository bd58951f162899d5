//! What a first config is drafted from: interfaces, their addresses, default routes, resolvers.

use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use rtnetlink::{
    Handle,
    packet_route::{
        address::{AddressAttribute, AddressMessage},
        link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage},
    },
};

use crate::dataplane::{interface::DevicesError, unfiltered::defaults};

/// The machine, as far as a first config is about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Interfaces that are up and no ports of others.
    pub interfaces: Vec<Seen>,
    /// Whether something answers DNS on this machine.
    pub own_resolver: bool,
    /// Resolvers elsewhere that this machine asks.
    pub resolvers: Vec<IpAddr>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// Whether a default route leaves by it.
    pub leads_away: bool,
    /// Prefixes on its link that are routed.
    pub prefixes: Vec<IpNet>,
}

impl Surroundings {
    /// Looks at this machine.
    ///
    /// # Errors
    /// Netlink cannot be used.
    pub fn look() -> Result<Self, DevicesError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let interfaces = runtime.block_on(interfaces())?;
        let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let (own, resolvers): (Vec<_>, Vec<_>) = nameservers(&text)
            .into_iter()
            .partition(IpAddr::is_loopback);
        Ok(Self {
            interfaces,
            own_resolver: !own.is_empty() || answers_dns(),
            resolvers,
        })
    }
}

async fn interfaces() -> Result<Vec<Seen>, DevicesError> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let seen = seen(&handle).await;
    connection.abort();
    Ok(seen?)
}

async fn seen(handle: &Handle) -> Result<Vec<Seen>, rtnetlink::Error> {
    let leaves: BTreeSet<u32> = defaults(handle).await?;
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    let addresses: Vec<AddressMessage> = handle.address().get().execute().try_collect().await?;
    let mut interfaces: Vec<Seen> = links.into_iter().filter_map(up).collect();
    for one in &mut interfaces {
        one.leads_away = leaves.contains(&one.index);
        let here = addresses.iter().filter(|at| at.header.index == one.index);
        one.prefixes = here.filter_map(prefix).collect();
        one.prefixes.sort();
        one.prefixes.dedup();
    }
    Ok(interfaces)
}

/// An interface that is up, has a link of its own, and is no loopback.
fn up(link: LinkMessage) -> Option<Seen> {
    let header = &link.header;
    let is_loopback = header.link_layer_type == LinkLayerType::Loopback;
    if is_loopback || !header.flags.contains(LinkFlags::Up) {
        return None;
    }
    let mut seen = Seen {
        index: header.index,
        ..Seen::default()
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => seen.name = name,
            LinkAttribute::Controller(_) => return None,
            _ => {}
        }
    }
    Some(seen)
}

/// The prefix of an address, where it is one that is routed.
fn prefix(address: &AddressMessage) -> Option<IpNet> {
    let length = address.header.prefix_len;
    let addr = address
        .attributes
        .iter()
        .find_map(|attribute| match attribute {
            AddressAttribute::Address(addr) => Some(*addr),
            _ => None,
        })?;
    let is_local = match addr {
        IpAddr::V4(addr) => addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unicast_link_local(),
    };
    let net = IpNet::new(addr, length).ok()?;
    (!is_local).then(|| net.trunc())
}

/// Addresses of the lines `nameserver` (resolv.conf(5)).
fn nameservers(text: &str) -> Vec<IpAddr> {
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver"));
    lines.filter_map(|addr| addr.trim().parse().ok()).collect()
}

/// Whether port 53 is taken on this machine, for whichever of its addresses.
fn answers_dns() -> bool {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.into_iter().any(|addr| {
        let bound = UdpSocket::bind(SocketAddr::new(addr, 53));
        bound.is_err_and(|fault| fault.kind() == std::io::ErrorKind::AddrInUse)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolvers_are_read_as_they_are_written() {
        let text = "# comment\nsearch x.y\nnameserver 127.0.0.53\nnameserver\t2001:db8::53\noptions edns0\nnameserver no\n";
        let expected: [IpAddr; 2] = [
            "127.0.0.53".parse().unwrap(),
            "2001:db8::53".parse().unwrap(),
        ];
        assert_eq!(nameservers(text), expected);
    }
}
