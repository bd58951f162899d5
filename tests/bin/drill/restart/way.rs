//! Where datagrams go, and what the policy says of it.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port that the sets list, and one that none does.
pub(super) const PORT: u16 = 4500;
pub(super) const WRONG_PORT: u16 = 4501;
/// The address that is learned before the first daemon is killed.
pub(super) const LEARNED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 50);

const PREFIX_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const PREFIX_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 5);
const UNLISTED_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);
const UNLISTED_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xdead, 0, 0, 0, 0, 0x77);

/// Endpoint sets that allow the ways that are allowed, and nothing else.
pub(super) const SETS: &str = r#"[[source.lab.set]]
id = 1
urls = ["*.restart.example"]
udpPorts = "4500"

[[source.lab.set]]
id = 2
ips = ["203.0.113.0/24", "2001:db8:5::/48"]
udpPorts = "4500"
"#;

/// One way of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To a prefix of a set.
    PrefixV4,
    PrefixV6,
    /// To the address that is learned all the time.
    Learned,
    /// To the one that was learned last.
    Fresh,
    /// To addresses that nothing lists.
    UnlistedV4,
    UnlistedV6,
    /// To another port of a prefix.
    WrongPort,
}

/// How many there are.
pub(super) const WAYS: usize = Way::ALL.len();

impl Way {
    pub(super) const ALL: [Self; 7] = [
        Self::PrefixV4,
        Self::PrefixV6,
        Self::Learned,
        Self::Fresh,
        Self::UnlistedV4,
        Self::UnlistedV6,
        Self::WrongPort,
    ];

    pub(super) fn is_allowed(self) -> bool {
        match self {
            Self::PrefixV4 | Self::PrefixV6 | Self::Learned | Self::Fresh => true,
            Self::UnlistedV4 | Self::UnlistedV6 | Self::WrongPort => false,
        }
    }

    /// Where it leads, given the address that was learned last; nowhere while that is none.
    pub(super) fn target(self, fresh: Ipv4Addr) -> Option<SocketAddr> {
        Some(match self {
            Self::PrefixV4 => (PREFIX_V4, PORT).into(),
            Self::PrefixV6 => (PREFIX_V6, PORT).into(),
            Self::Learned => (LEARNED, PORT).into(),
            Self::Fresh if fresh.is_unspecified() => return None,
            Self::Fresh => (fresh, PORT).into(),
            Self::UnlistedV4 => (UNLISTED_V4, PORT).into(),
            Self::UnlistedV6 => (UNLISTED_V6, PORT).into(),
            Self::WrongPort => (PREFIX_V4, WRONG_PORT).into(),
        })
    }
}
