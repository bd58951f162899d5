//! Links, addresses and routes of hosts, by netlink inside their namespaces.

use std::net::IpAddr;
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use ipnet::IpNet;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::route::{RouteScope, RouteType};
use rtnetlink::packet_route::rule::RuleAction;
use rtnetlink::{Handle, LinkUnspec, LinkVeth, RouteMessageBuilder};
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use crate::flow::Family;
use crate::host::Host;

const LOCAL_TABLE: u32 = 255;
const MAIN_TABLE: u32 = 254;

/// Joins two hosts by a veth pair, each end with its name, both up.
pub fn veth((host, name): (&Host, &str), (peer, peer_name): (&Host, &str)) -> Result<()> {
    netlink(host, async |handle| {
        let pair = LinkVeth::new(name, peer_name).build();
        handle.link().add(pair).execute().await?;
        let far = LinkUnspec::new_with_name(peer_name)
            .setns_by_fd(peer.net().as_raw_fd())
            .build();
        handle.link().set(far).execute().await
    })
    .with_context(|| format!("veth {name} to {peer_name}"))?;
    up(host, name)?;
    up(peer, peer_name)
}

/// Sets a link up.
pub fn up(host: &Host, name: &str) -> Result<()> {
    netlink(host, async |handle| {
        let link = LinkUnspec::new_with_name(name).up().build();
        handle.link().set(link).execute().await
    })
    .with_context(|| format!("link {name} up"))
}

/// Sets the longest packet that a link takes.
pub fn mtu(host: &Host, name: &str, bytes: u32) -> Result<()> {
    netlink(host, async |handle| {
        let link = LinkUnspec::new_with_name(name).mtu(bytes).build();
        handle.link().set(link).execute().await
    })
    .with_context(|| format!("MTU of {name}"))
}

/// A route to a network.
pub fn route(host: &Host, net: IpNet, gateway: IpAddr) -> Result<()> {
    let message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(net.addr(), net.prefix_len())?
        .gateway(gateway)?
        .build();
    netlink(host, async |handle| {
        handle.route().add(message).execute().await
    })
    .with_context(|| format!("route to {net} via {gateway}"))
}

/// Gives a link its addresses.
pub fn addresses(host: &Host, name: &str, addresses: &[IpNet]) -> Result<()> {
    let index = index(host, name)?;
    netlink(host, async |handle| {
        for net in addresses {
            let mut add = handle.address().add(index, net.addr(), net.prefix_len());
            // At once, not after a probe for duplicates.
            add.message_mut().header.flags |= AddressHeaderFlags::Nodad;
            add.execute().await?;
        }
        Ok(())
    })
    .with_context(|| format!("addresses of {name}"))
}

/// A default route, with the source address to use where an application names none.
pub fn default_route(host: &Host, gateway: IpAddr, source: IpAddr) -> Result<()> {
    let message = RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(Family::of(gateway).any(0).ip(), 0)?
        .gateway(gateway)?
        .pref_source(source)?
        .build();
    netlink(host, async |handle| {
        handle.route().add(message).execute().await
    })
    .with_context(|| format!("default route via {gateway}"))
}

/// Makes a host answer on every address, except those of `elsewhere`, which it routes.
pub fn any_address(host: &Host, elsewhere: &[IpNet]) -> Result<()> {
    let loopback = index(host, "lo")?;
    let local = [Family::Ipv4, Family::Ipv6].map(|family| {
        let everything = IpNet::new_assert(family.any(0).ip(), 0);
        let route = local_table(everything).kind(RouteType::Local);
        route.scope(RouteScope::Host).output_interface(loopback)
    });
    let thrown = elsewhere
        .iter()
        .map(|net| local_table(*net).kind(RouteType::Throw));
    netlink(host, async |handle| {
        // Without a rule of one's own IPv4 looks into one table made of local and main, where a
        // throw ends the lookup (fib_table_lookup and fib_unmerge, Linux 4.1 and later).
        let rule = handle.rule().add().v4().table_id(MAIN_TABLE);
        let rule = rule.action(RuleAction::ToTable).priority(1);
        rule.execute().await?;
        for route in local.into_iter().chain(thrown) {
            handle.route().add(route.build()).execute().await?;
        }
        Ok(())
    })
    .context("routes that answer on any address")
}

fn local_table(net: IpNet) -> RouteMessageBuilder<IpAddr> {
    RouteMessageBuilder::<IpAddr>::new()
        .destination_prefix(net.addr(), net.prefix_len())
        .expect("a prefix's length fits its family")
        .table_id(LOCAL_TABLE)
}

/// Index of a link in its host's network.
pub fn index(host: &Host, name: &str) -> Result<u32> {
    host.run(|| -> Result<u32> {
        let any = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
        name_to_index(&any, name).with_context(|| format!("no link {name}"))
    })?
}

/// Runs requests on a netlink connection inside the host.
fn netlink<T: Send>(
    host: &Host,
    requests: impl AsyncFnOnce(Handle) -> Result<T, rtnetlink::Error> + Send,
) -> Result<T> {
    host.run(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        runtime.block_on(async {
            let (connection, handle, _) = rtnetlink::new_connection()?;
            tokio::spawn(connection);
            Ok(requests(handle).await?)
        })
    })?
}
