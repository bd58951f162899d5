//! Interfaces by which packets may come in that nobody judges.
//!
//! In: the kernel's devices and default routes, and which interfaces are filtered. Out: those that are up and
//! forward, and are neither filtered nor the way to everywhere else.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::{
        link::{
            AfSpecInet, AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkFlags, LinkLayerType,
            LinkMessage,
        },
        route::{RouteAttribute, RouteMessage},
    },
};

use super::interface::DevicesError;

/// A device, as far as it matters here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Way {
    name: String,
    index: u32,
    is_loopback: bool,
    is_up: bool,
    forwards: bool,
    /// The bridge or bond that it is a port of.
    controller: Option<u32>,
    /// The device below, in this network namespace.
    below: Option<u32>,
}

/// Names of the interfaces that are up and forward, while nothing judges what comes in there; `filtered` are the
/// indices of those where something does.
///
/// # Errors
/// Netlink cannot be used.
pub async fn unfiltered(filtered: &[u32]) -> Result<Vec<String>, DevicesError> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let asked = async {
        let links = handle.link().get().execute();
        let ways: Vec<Way> = links.map_ok(Way::from).try_collect().await?;
        Ok::<_, rtnetlink::Error>((ways, defaults(&handle).await?))
    };
    let asked = asked.await;
    connection.abort();
    let (ways, defaults) = asked?;
    Ok(open(&ways, filtered, &defaults))
}

/// [`unfiltered`], for commands that do nothing else at the same time.
///
/// # Errors
/// Netlink cannot be used.
pub fn unfiltered_now(filtered: &[u32]) -> Result<Vec<String>, DevicesError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime?.block_on(unfiltered(filtered))
}

/// Indices of the devices that default routes of any table leave by.
pub(crate) async fn defaults(handle: &Handle) -> Result<BTreeSet<u32>, rtnetlink::Error> {
    let families = [
        RouteMessageBuilder::<Ipv4Addr>::new().build(),
        RouteMessageBuilder::<Ipv6Addr>::new().build(),
    ];
    let mut leave = BTreeSet::new();
    for family in families {
        let mut routes = handle.route().get(family).execute();
        while let Some(route) = routes.try_next().await? {
            if route.header.destination_prefix_length == 0 {
                leave.extend(leaves_by(&route));
            }
        }
    }
    Ok(leave)
}

fn leaves_by(route: &RouteMessage) -> Vec<u32> {
    let by = route.attributes.iter().map(|attribute| match attribute {
        RouteAttribute::Oif(index) => vec![*index],
        RouteAttribute::MultiPath(hops) => hops.iter().map(|hop| hop.interface_index).collect(),
        _ => Vec::new(),
    });
    by.flatten().collect()
}

impl From<LinkMessage> for Way {
    fn from(message: LinkMessage) -> Self {
        let header = &message.header;
        let mut way = Self {
            index: header.index,
            is_loopback: header.link_layer_type == LinkLayerType::Loopback,
            is_up: header.flags.contains(LinkFlags::Up),
            ..Self::default()
        };
        let mut is_elsewhere = false;
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => way.name = name,
                LinkAttribute::Controller(index) => way.controller = Some(index),
                LinkAttribute::Link(index) => way.below = Some(index),
                LinkAttribute::LinkNetNsId(_) => is_elsewhere = true,
                LinkAttribute::AfSpecUnspec(families) => {
                    way.forwards = families.iter().any(forwards);
                }
                _ => {}
            }
        }
        if is_elsewhere {
            // An index of another network namespace.
            way.below = None;
        }
        way
    }
}

fn forwards(family: &AfSpecUnspec) -> bool {
    match family {
        AfSpecUnspec::Inet(about) => about
            .iter()
            .any(|one| matches!(one, AfSpecInet::DevConf(conf) if conf.forwarding != 0)),
        AfSpecUnspec::Inet6(about) => about
            .iter()
            .any(|one| matches!(one, AfSpecInet6::DevConf(conf) if conf.forwarding != 0)),
        _ => false,
    }
}

/// The names of those that nothing judges.
fn open(ways: &[Way], filtered: &[u32], defaults: &BTreeSet<u32>) -> Vec<String> {
    let leaves = |way: &Way| defaults.contains(&way.index);
    // The device below a way out is on its link as well.
    let is_below = |way: &Way| {
        ways.iter()
            .any(|above| leaves(above) && above.below == Some(way.index))
    };
    let is_filtered = |way: &Way| {
        let ports: Vec<_> = ways
            .iter()
            .filter(|port| port.controller == Some(way.index))
            .collect();
        let by_ports = !ports.is_empty() && ports.iter().all(|port| filtered.contains(&port.index));
        let below = way.below.is_some_and(|below| filtered.contains(&below));
        filtered.contains(&way.index) || below || by_ports
    };
    let is_open = |way: &&Way| {
        // What a port hears, its bridge or bond hands on.
        let is_own_way = !way.is_loopback && way.controller.is_none();
        let carries = way.is_up && way.forwards;
        is_own_way && carries && !(is_filtered(way) || leaves(way) || is_below(way))
    };
    let open = ways.iter().filter(is_open);
    open.map(|way| way.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(name: &str, index: u32) -> Way {
        Way {
            name: name.to_owned(),
            index,
            is_up: true,
            forwards: true,
            ..Way::default()
        }
    }

    #[test]
    fn only_what_forwards_unjudged_is_told() {
        let loopback = Way {
            is_loopback: true,
            ..way("lo", 1)
        };
        let down = Way {
            is_up: false,
            ..way("down", 4)
        };
        let host = Way {
            forwards: false,
            ..way("host", 5)
        };
        let tagged = |name, index, below| Way {
            below: Some(below),
            ..way(name, index)
        };
        let port = |name, index, controller| Way {
            controller: Some(controller),
            ..way(name, index)
        };
        let ways = [
            loopback,
            way("lan", 2),
            way("wan", 3),
            down,
            host,
            tagged("lan.20", 6, 2),
            tagged("wan.30", 7, 3),
            way("guest", 8),
            way("br0", 9),
            port("port", 10, 9),
            way("br1", 11),
            port("other", 12, 11),
            way("modem", 13),
            tagged("modem.7", 14, 13),
        ];
        let defaults = BTreeSet::from([3, 14]);
        assert_eq!(open(&ways, &[2, 10], &defaults), ["wan.30", "guest", "br1"]);
    }
}
