//! The addresses of the lab's hosts, in one place so that tests and configurations agree.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::flow::Family;

/// Addresses of one role in both families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// The IPv4 address.
    pub v4: Ipv4Addr,
    /// The prefix length that goes with it on its link.
    pub v4_length: u8,
    /// The IPv6 address.
    pub v6: Ipv6Addr,
    /// The prefix length that goes with it on its link.
    pub v6_length: u8,
}

/// The client, inside of the group's prefixes.
pub const CLIENT: Pair = pair([10, 20, 0, 2], 16, [0xfd00, 0x20, 0, 0, 0, 0, 0, 2]);
/// The client's second addresses, outside of every group.
pub const STRANGER: Pair = pair([10, 99, 0, 2], 24, [0xfd00, 0x99, 0, 0, 0, 0, 0, 2]);
/// The gateway towards the client.
pub const LAN: Pair = pair([10, 20, 0, 1], 16, [0xfd00, 0x20, 0, 0, 0, 0, 0, 1]);
/// The gateway towards the client's second addresses.
pub const LAN_OF_STRANGER: Pair = pair([10, 99, 0, 1], 24, [0xfd00, 0x99, 0, 0, 0, 0, 0, 1]);
/// The gateway towards the internet.
pub const WAN: Pair = pair([192, 0, 2, 1], 24, [0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1]);
/// The internet host's own addresses; it answers on every other address as well.
pub const INTERNET: Pair = pair([192, 0, 2, 2], 24, [0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 2]);

impl Pair {
    /// The address of one family.
    pub fn of(self, family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => self.v4.into(),
            Family::Ipv6 => self.v6.into(),
        }
    }

    /// Both addresses with the lengths of their links.
    pub fn networks(self) -> [IpNet; 2] {
        [
            IpNet::new_assert(self.v4.into(), self.v4_length),
            IpNet::new_assert(self.v6.into(), self.v6_length),
        ]
    }
}

const fn pair(v4: [u8; 4], v4_length: u8, v6: [u16; 8]) -> Pair {
    let [a, b, c, d, e, f, g, h] = v6;
    Pair {
        v4: Ipv4Addr::new(v4[0], v4[1], v4[2], v4[3]),
        v4_length,
        v6: Ipv6Addr::new(a, b, c, d, e, f, g, h),
        v6_length: 64,
    }
}
