//! Asks the kernel what a driver can do of XDP: the family `netdev` of generic netlink, from Linux 6.3 on
//! (linux/netdev.h, linux/genetlink.h).

use rustix::net::netlink::GENERIC;

use crate::netlink::{Question, attribute, attributes, get, number, text, written};

/// `NETDEV_XDP_ACT_BASIC`: it runs programs before a socket buffer is made.
pub(crate) const NATIVE: u64 = 1;
/// `NETDEV_XDP_ACT_NDO_XMIT`: it sends what programs redirect to it.
pub(crate) const TRANSMITS: u64 = 4;
/// `NETDEV_XDP_ACT_RX_SG`: its programs take packets in several buffers.
pub(crate) const FRAGMENTS: u64 = 32;

/// What the driver of a device can do, in these bits; nothing where the kernel does not say.
pub(crate) fn features(index: u32) -> Option<u64> {
    /// `NETDEV_CMD_DEV_GET` and attributes.
    const GET_DEVICE: u8 = 1;
    const INDEX: u16 = 1;
    const FEATURES: u16 = 3;

    let family = Netdev::known()?.family;
    let told = ask(family, GET_DEVICE, written(INDEX, &index.to_ne_bytes()))?;
    let bits = attribute(&told, FEATURES)?;
    Some(u64::from_ne_bytes(*bits.first_chunk()?))
}

/// Numbers that the kernel gave the family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Netdev {
    family: u16,
    /// The group that hears of changes.
    pub(crate) group: Option<u32>,
}

impl Netdev {
    /// Asks for them; nothing where the kernel has none.
    pub(crate) fn known() -> Option<Self> {
        /// `GENL_ID_CTRL`, `CTRL_CMD_GETFAMILY` and attributes.
        const CONTROL: u16 = 16;
        const GET_FAMILY: u8 = 3;
        const ID: u16 = 1;
        const NAME: u16 = 2;
        const GROUPS: u16 = 7;
        const GROUP_NAME: u16 = 1;
        const GROUP_ID: u16 = 2;

        let told = ask(CONTROL, GET_FAMILY, written(NAME, b"netdev\0"))?;
        let family = u16::from_ne_bytes(*attribute(&told, ID)?.first_chunk()?);
        let groups = attributes(attribute(&told, GROUPS).unwrap_or_default());
        let mut changes = groups.filter(|(_, group)| {
            attribute(group, GROUP_NAME).is_some_and(|name| text(name) == "mgmt")
        });
        let group = changes
            .next()
            .and_then(|(_, group)| number(attribute(group, GROUP_ID)?));
        Some(Self { family, group })
    }
}

/// Attributes of the answer of a family to a command with one attribute; nothing where it is an error.
fn ask(family: u16, command: u8, attribute: Vec<u8>) -> Option<Vec<u8>> {
    // `struct genlmsghdr`: the command, its version, and nothing.
    let body = [vec![command, 1, 0, 0], attribute].concat();
    let reply = get(&Question {
        protocol: Some(GENERIC),
        kind: family,
        body: &body,
    });
    Some(reply.ok()??.get(4..)?.to_vec())
}
