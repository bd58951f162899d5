//! Network devices, as far as a fast path goes by them.

use std::fs;

use rustix::{
    io::Errno,
    ioctl::{Updater, ioctl},
    net::{AddressFamily, SocketType, netlink, socket},
};

use super::netlink::{Question, ROUTE, attribute, attributes, dump, get, number, text, written};

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

/// Numbers that the kernel gave the family `netdev` of generic netlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Netdev {
    family: u16,
    /// The group that hears of changes.
    pub(super) group: Option<u32>,
}

impl Netdev {
    /// Asks for them; nothing where the kernel has none, before Linux 6.3.
    pub(super) fn known() -> Option<Self> {
        /// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and attributes (linux/genetlink.h).
        const CONTROL: u16 = 16;
        const GET_FAMILY: u8 = 3;
        const ID: u16 = 1;
        const NAME: u16 = 2;
        const GROUPS: u16 = 7;
        const GROUP_NAME: u16 = 1;
        const GROUP_ID: u16 = 2;

        let body = [vec![GET_FAMILY, 1, 0, 0], written(NAME, b"netdev\0")].concat();
        let reply = get(&Question {
            protocol: Some(netlink::GENERIC),
            kind: CONTROL,
            body: &body,
        });
        let reply = reply.ok()??;
        let rest = reply.get(4..)?;
        let family = u16::from_ne_bytes(*attribute(rest, ID)?.first_chunk()?);
        let groups = attributes(attribute(rest, GROUPS).unwrap_or_default());
        let mut changes = groups.filter(|(_, group)| {
            attribute(group, GROUP_NAME).is_some_and(|name| text(name) == "mgmt")
        });
        let group = changes
            .next()
            .and_then(|(_, group)| number(attribute(group, GROUP_ID)?));
        Some(Self { family, group })
    }
}

/// Whether a device sends what XDP programs redirect to it; nothing where the kernel does not tell.
pub(super) fn transmits(device: &Device) -> Option<bool> {
    /// `NETDEV_CMD_DEV_GET`, attributes and `NETDEV_XDP_ACT_NDO_XMIT` (linux/netdev.h).
    const DEV_GET: u8 = 1;
    const INDEX: u16 = 1;
    const FEATURES: u16 = 3;
    const TRANSMITS: u64 = 4;

    let netdev = Netdev::known()?;
    let index = written(INDEX, &device.index.to_ne_bytes());
    let body = [vec![DEV_GET, 1, 0, 0], index].concat();
    let reply = get(&Question {
        protocol: Some(netlink::GENERIC),
        kind: netdev.family,
        body: &body,
    });
    let reply = reply.ok()??;
    let features = attribute(reply.get(4..)?, FEATURES)?;
    let features = u64::from_ne_bytes(*features.first_chunk()?);
    Some(features & TRANSMITS != 0)
}

/// Whether a device takes VLAN tags off frames before anybody sees them; nothing where it does not tell.
pub(super) fn strips_tags(device: &Device) -> Option<bool> {
    /// `SIOCETHTOOL` (linux/sockios.h), `ETHTOOL_GFLAGS` and `ETH_FLAG_RXVLAN` (linux/ethtool.h).
    const ETHTOOL: u32 = 0x8946;
    const GET_FLAGS: u32 = 0x25;
    const STRIPS: u32 = 1 << 8;

    /// `struct ethtool_value`.
    #[repr(C)]
    struct Value {
        command: u32,
        data: u32,
    }

    /// `struct ifreq` on a 64-bit machine.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        value: *mut Value,
        rest: [u64; 2],
    }

    let mut value = Value {
        command: GET_FLAGS,
        data: 0,
    };
    let mut name = [0; 16];
    // The last byte stays 0.
    name.iter_mut()
        .take(15)
        .zip(device.name.bytes())
        .for_each(|(to, from)| *to = from);
    let mut request = Request {
        name,
        value: &raw mut value,
        rest: [0; 2],
    };
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    // SAFETY: the request is laid out as the kernel wants it, and both live until the call returns.
    unsafe { ioctl(any, Updater::<ETHTOOL, Request>::new(&mut request)) }.ok()?;
    // SAFETY: the kernel wrote it through the request, and nothing else refers to it.
    let flags = unsafe { (&raw const value.data).read_volatile() };
    Some(flags & STRIPS != 0)
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
