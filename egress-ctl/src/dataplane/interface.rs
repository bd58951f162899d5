//! Network interfaces of this network namespace.

use futures_util::TryStreamExt as _;
use rtnetlink::packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage, LinkXdp};
use rustix::net::{
    AddressFamily, SocketType,
    netdevice::{index_to_name, name_to_index},
    socket,
};

/// What stands at the beginning of a device's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// An Ethernet header.
    Ethernet,
    /// The IP header: WireGuard, tun, PPP, IP in IP, raw modems.
    Ip,
    /// Something else, by its number among the kernel's (`ARPHRD_*`, linux/if_arp.h).
    Other(u16),
}

impl From<LinkLayerType> for Layer {
    fn from(kind: LinkLayerType) -> Self {
        match kind {
            LinkLayerType::Ether | LinkLayerType::Loopback => Self::Ethernet,
            LinkLayerType::None
            | LinkLayerType::Ppp
            | LinkLayerType::Rawip
            | LinkLayerType::Tunnel => Self::Ip,
            other => Self::Other(other.into()),
        }
    }
}

/// A network device that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name now.
    pub name: String,
    /// Its index.
    pub index: u32,
    /// What its packets begin with.
    pub layer: Layer,
    /// Ids of the XDP programs on it.
    pub xdp: Vec<u32>,
    /// Index of the bridge, bond or team that it is a port of.
    pub controller: Option<u32>,
}

impl From<LinkMessage> for Device {
    fn from(message: LinkMessage) -> Self {
        let mut device = Self {
            name: String::new(),
            index: message.header.index,
            layer: message.header.link_layer_type.into(),
            xdp: Vec::new(),
            controller: None,
        };
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => device.name = name,
                LinkAttribute::Controller(index) => device.controller = Some(index),
                LinkAttribute::Xdp(about) => device.xdp = programs(&about),
                _ => {}
            }
        }
        device
    }
}

/// Ids of the programs of one or several modes; the kernel names that of the only mode twice.
fn programs(about: &[LinkXdp]) -> Vec<u32> {
    let ids = about.iter().filter_map(|one| match one {
        LinkXdp::ProgId(id)
        | LinkXdp::DrvProgId(id)
        | LinkXdp::SkbProgId(id)
        | LinkXdp::HwProgId(id) => Some(*id),
        _ => None,
    });
    let mut ids: Vec<_> = ids.filter(|id| *id != 0).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Why it is not known which devices there are.
#[derive(Debug, thiserror::Error)]
pub enum DevicesError {
    /// There is no netlink.
    #[error("cannot open netlink")]
    Open(#[from] std::io::Error),
    /// The kernel does not tell.
    #[error("cannot list the network devices")]
    List(#[from] rtnetlink::Error),
}

/// All devices.
///
/// # Errors
/// Netlink cannot be used.
pub async fn devices() -> Result<Vec<Device>, DevicesError> {
    let (connection, handle, _) = rtnetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let devices = handle.link().get().execute().map_ok(Device::from);
    let devices = devices.try_collect().await;
    connection.abort();
    Ok(devices?)
}

/// The interface's index; none where there is no such interface.
pub fn index(name: &str) -> Option<u32> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(any, name).ok()
}

/// The name of an interface now; none where there is no such interface.
pub fn name(index: u32) -> Option<String> {
    let any = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    index_to_name(any, index).ok()
}

/// Those of the interfaces that are there, with their indices.
pub fn indices(names: &[String]) -> Vec<(String, u32)> {
    let there = names
        .iter()
        .filter_map(|name| Some((name.clone(), index(name)?)));
    there.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_s_number_says_what_its_packets_begin_with() {
        // linux/if_arp.h
        let table = [
            ("Ethernet", 1, Layer::Ethernet),
            ("loopback", 772, Layer::Ethernet),
            ("WireGuard and tun", 65_534, Layer::Ip),
            ("PPP", 512, Layer::Ip),
            ("raw modems", 519, Layer::Ip),
            ("IP in IP", 768, Layer::Ip),
            ("SIT", 776, Layer::Other(776)),
            ("GRE", 778, Layer::Other(778)),
            ("monitors of Wi-Fi", 803, Layer::Other(803)),
        ];
        for (what, number, layer) in table {
            let mut message = LinkMessage::default();
            message.header.link_layer_type = LinkLayerType::from(number);
            assert_eq!(Device::from(message).layer, layer, "{what}");
        }
    }
}
