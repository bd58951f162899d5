//! Network devices, as far as a fast path goes by them.

use std::fs;

use rustix::io::Errno;

use crate::{
    driver::{
        ethtool::{self, Driver},
        netdev,
    },
    netlink::{Question, ROUTE, attribute, dump, number, text},
};

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its name now.
    pub name: String,
    /// What it is where it is none of hardware: `veth`, `vlan`, `bridge`.
    pub kind: Option<String>,
    /// Its link address; none where it has none of Ethernet.
    pub mac: Option<[u8; 6]>,
    /// Longest packet that leaves by it.
    pub mtu: u32,
    /// Whether it is a port of a bridge, bond, team or VRF.
    pub is_port: bool,
}

impl Device {
    /// Whether it is one end of a pair, whose other end another machine of this host may have.
    pub fn is_veth(&self) -> bool {
        self.kind.as_deref() == Some("veth")
    }
}

/// All devices.
pub(super) fn devices() -> Result<Vec<Device>, Errno> {
    /// `RTM_GETLINK` (linux/rtnetlink.h).
    const GET_LINK: u16 = 18;
    let replies = dump(&Question {
        protocol: ROUTE,
        kind: GET_LINK,
        body: &[0; 16],
    })?;
    Ok(replies.iter().filter_map(|body| device(body)).collect())
}

/// From what the kernel tells of one (`struct ifinfomsg`, linux/if_link.h).
fn device(body: &[u8]) -> Option<Device> {
    const ETHERNET: u16 = 1;
    const ADDRESS: u16 = 1;
    const NAME: u16 = 3;
    const MTU: u16 = 4;
    const CONTROLLER: u16 = 10;
    const INFO: u16 = 18;
    const INFO_KIND: u16 = 1;

    let (header, rest) = body.split_first_chunk::<16>()?;
    let hardware = u16::from_ne_bytes([header[2], header[3]]);
    let mac = attribute(rest, ADDRESS).and_then(|value| value.try_into().ok());
    let kind = attribute(rest, INFO).and_then(|info| attribute(info, INFO_KIND));
    Some(Device {
        index: number(header.get(4..)?)?,
        name: text(attribute(rest, NAME)?),
        kind: kind.map(text),
        mac: mac.filter(|_| hardware == ETHERNET),
        mtu: number(attribute(rest, MTU)?)?,
        is_port: attribute(rest, CONTROLLER).is_some(),
    })
}

/// Whether a device sends what XDP programs redirect to it; nothing where the kernel does not tell.
pub(super) fn transmits(device: &Device) -> Option<bool> {
    Some(netdev::features(device.index)? & netdev::TRANSMITS != 0)
}

/// Whether a device takes VLAN tags off frames before anybody sees them; nothing where it does not tell.
pub(super) fn strips_tags(device: &Device) -> Option<bool> {
    let driver = Driver::of(&device.name).ok()?;
    driver.has(ethtool::VLAN).ok()
}

/// Whether a family is forwarded that comes in by a device; nothing where the kernel does not tell.
pub(super) fn forwards(is_v4: bool, device: &str) -> Option<bool> {
    let version = if is_v4 { "ipv4" } else { "ipv6" };
    let path = format!("/proc/sys/net/{version}/conf/{device}/forwarding");
    Some(fs::read_to_string(path).ok()?.trim() != "0")
}

/// Whether ports tell which of several next hops a packet takes; nothing where the kernel does not tell.
pub(super) fn spreads_by_ports(is_v4: bool) -> Option<bool> {
    let version = if is_v4 { "ipv4" } else { "ipv6" };
    let path = format!("/proc/sys/net/{version}/fib_multipath_hash_policy");
    match fs::read_to_string(path) {
        Ok(policy) => Some(policy.trim() != "0"),
        // A kernel without multipath has no such file.
        Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Some(false),
        Err(_) => None,
    }
}
