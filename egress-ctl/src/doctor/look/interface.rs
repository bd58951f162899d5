//! Asks the kernel about the LAN interfaces.

use std::{fs, net::IpAddr, path::Path};

use anyhow::{Context as _, Result};
use futures_util::TryStreamExt as _;
use rtnetlink::{
    Handle,
    packet_route::{
        address::{AddressAttribute, AddressMessage},
        link::{AfSpecInet, AfSpecInet6, AfSpecUnspec, LinkAttribute, LinkFlags, LinkMessage},
    },
};

use super::Wanted;
use crate::{
    catalogue::nearest::nearest,
    dataplane::{
        bind::bind,
        hook::{Attached, Role, attached},
        interface::Device as Bare,
        occupants::occupants,
    },
    doctor::interface::{Device, Lan, Offloads, XdpFeatures},
    driver::{
        ethtool::{self, Driver},
        netdev,
    },
};

/// An interface, and its addresses.
pub(super) struct Seen {
    /// What is judged.
    pub(super) lan: Lan,
    /// Its addresses, those that are routed.
    pub(super) addresses: Vec<IpAddr>,
}

/// Asks about those that are wanted.
///
/// # Errors
/// Netlink cannot be used.
pub(super) async fn look(pin_dir: &Path, wanted: &Wanted) -> Result<Vec<Seen>> {
    let (connection, handle, _) = rtnetlink::new_connection().context("cannot open netlink")?;
    let connection = tokio::spawn(connection);
    let listed = list(&handle).await;
    connection.abort();
    let (links, addresses) = listed.context("cannot list the network devices")?;
    let bare: Vec<Bare> = links.iter().cloned().map(Bare::from).collect();
    let pinned = attached(pin_dir).unwrap_or_default();
    let mut seen = Vec::new();
    for bound in bind(&wanted.lan, &bare, &pinned) {
        let link = bound.device.as_ref().and_then(|device| {
            let mut links = links.iter();
            links.find(|link| link.header.index == device.index)
        });
        let addresses = match link {
            Some(link) => routed(&addresses, link.header.index),
            None => Vec::new(),
        };
        let device = match bound.device.as_ref().zip(link) {
            Some((bare, link)) => {
                let asked = Asked {
                    pin_dir,
                    pinned: &pinned,
                    addresses: &addresses,
                };
                let device = asked.device(bare, link).await;
                Some(Device {
                    tells_vlans: wanted.tells_vlans,
                    ..device
                })
            }
            None => None,
        };
        let others = bare.iter().map(|device| device.name.clone());
        let others = others.filter(|name| name != "lo" && !wanted.lan.contains(name));
        let nearest = nearest(&bound.name, others, String::clone).next();
        seen.push(Seen {
            lan: Lan {
                name: bound.name,
                device,
                nearest,
            },
            addresses,
        });
    }
    Ok(seen)
}

async fn list(
    handle: &Handle,
) -> Result<(Vec<LinkMessage>, Vec<AddressMessage>), rtnetlink::Error> {
    let links = handle.link().get().execute().try_collect().await?;
    let addresses = handle.address().get().execute().try_collect().await?;
    Ok((links, addresses))
}

/// Addresses of an interface that are routed.
fn routed(all: &[AddressMessage], index: u32) -> Vec<IpAddr> {
    let here = all.iter().filter(|one| one.header.index == index);
    let addresses = here.filter_map(|one| {
        let own = one.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Local(addr) => Some(*addr),
            _ => None,
        });
        let other = one.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Address(addr) => Some(*addr),
            _ => None,
        });
        own.or(other)
    });
    let is_routed = |addr: &IpAddr| match addr {
        IpAddr::V4(addr) => !addr.is_link_local(),
        IpAddr::V6(addr) => !addr.is_unicast_link_local(),
    };
    addresses.filter(is_routed).collect()
}

/// What is known of where a device is.
struct Asked<'a> {
    pin_dir: &'a Path,
    pinned: &'a [Attached],
    addresses: &'a [IpAddr],
}

impl Asked<'_> {
    async fn device(&self, bare: &Bare, link: &LinkMessage) -> Device {
        let conf = Conf::of(link);
        let has = |wanted: fn(&IpAddr) -> bool| self.addresses.iter().any(wanted);
        let mut judging = self
            .pinned
            .iter()
            .filter(|at| at.index == bare.index && at.hook.role() == Role::Judge);
        let driver = Driver::of(&bare.name).ok();
        Device {
            name: bare.name.clone(),
            is_up: link.header.flags.contains(LinkFlags::Up),
            layer: bare.layer,
            driver: driver.as_ref().and_then(named),
            xdp: netdev::features(bare.index).map(|bits| XdpFeatures {
                is_native: bits & netdev::NATIVE != 0,
                has_fragments: bits & netdev::FRAGMENTS != 0,
            }),
            judged: judging.next().map(|at| at.hook.mode()),
            occupants: occupants(self.pin_dir, bare).await,
            offloads: driver.as_ref().map(offloads).unwrap_or_default(),
            mtu: conf.mtu,
            gro_max: conf.gro_max,
            forwards_v4: has(IpAddr::is_ipv4).then_some(conf.forwards_v4),
            forwards_v6: has(IpAddr::is_ipv6).then_some(conf.forwards_v6),
            rp_filter: conf.rp_filter.max(rp_filter_of_all()),
            tells_vlans: false,
        }
    }
}

/// A driver's name, where it tells one.
fn named(driver: &Driver<'_>) -> Option<String> {
    driver.name().ok().filter(|name| !name.is_empty())
}

/// Offloads that are on, as far as a driver tells.
fn offloads(driver: &Driver<'_>) -> Offloads {
    let on = driver.features().unwrap_or_default();
    let is_on = |name: &str| on.iter().any(|feature| feature == name);
    Offloads {
        lro: is_on(ethtool::LRO),
        gro_hw: is_on(ethtool::GRO_HW),
        vlan: is_on(ethtool::VLAN),
    }
}

/// What a link message says besides.
#[derive(Default)]
struct Conf {
    mtu: u32,
    gro_max: Option<u32>,
    forwards_v4: bool,
    forwards_v6: bool,
    rp_filter: u8,
}

impl Conf {
    fn of(link: &LinkMessage) -> Self {
        let mut conf = Self::default();
        for attribute in &link.attributes {
            match attribute {
                LinkAttribute::Mtu(mtu) => conf.mtu = *mtu,
                LinkAttribute::GroMaxSize(most) | LinkAttribute::GroIpv4MaxSize(most) => {
                    conf.gro_max = conf.gro_max.max(Some(*most));
                }
                LinkAttribute::AfSpecUnspec(families) => {
                    families.iter().for_each(|family| conf.take(family));
                }
                _ => {}
            }
        }
        conf
    }

    fn take(&mut self, family: &AfSpecUnspec) {
        match family {
            AfSpecUnspec::Inet(about) => {
                for one in about {
                    if let AfSpecInet::DevConf(conf) = one {
                        self.forwards_v4 = conf.forwarding != 0;
                        self.rp_filter = u8::try_from(conf.rp_filter).unwrap_or(0);
                    }
                }
            }
            AfSpecUnspec::Inet6(about) => {
                for one in about {
                    if let AfSpecInet6::DevConf(conf) = one {
                        self.forwards_v6 = conf.forwarding != 0;
                    }
                }
            }
            _ => {}
        }
    }
}

/// The higher one of this and the interface's own counts (ip-sysctl.rst).
fn rp_filter_of_all() -> u8 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/conf/all/rp_filter").unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

#[cfg(test)]
impl Seen {
    /// One that has only addresses.
    pub(super) fn with(addresses: &[&str]) -> Self {
        Self {
            lan: Lan {
                name: "eth1".to_owned(),
                device: None,
                nearest: None,
            },
            addresses: addresses.iter().map(|addr| addr.parse().unwrap()).collect(),
        }
    }
}
