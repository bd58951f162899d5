//! Where the soak's datagrams go, what the policy promises of each way, and under which counter it stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::status::{Action, Status};

/// The port that the sets list, and one that none does.
pub const PORT: u16 = 4500;
pub const WRONG_PORT: u16 = 4501;
/// The address of a name that is learned before anything begins, and lasts.
pub const LEARNED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 50);
/// What forged answers give for a listed name.
pub const FORGED: Ipv4Addr = Ipv4Addr::new(198, 18, 255, 77);
/// In the prefix that the feed gives and takes.
pub const TOGGLED: Ipv4Addr = Ipv4Addr::new(40, 99, 0, 9);
/// In the prefix of TCP.
pub const CONNECTED: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(203, 0, 113, 130)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 6, 0, 0, 0, 0, 5)),
];
/// In no list and no answer.
pub const UNLISTED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 200);

const PREFIX_V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 5);
const PREFIX_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 5, 0, 0, 0, 0, 5);
const UNLISTED_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xdead, 0, 0, 0, 0, 0x77);

/// A way of datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    /// To a prefix of a set.
    PrefixV4,
    PrefixV6,
    /// To an address that was learned at the start.
    Learned,
    /// To what the feed gives and takes.
    Toggled,
    /// To addresses that nothing lists.
    UnlistedV4,
    UnlistedV6,
    /// To another port of a prefix.
    WrongPort,
    /// To what forged answers say.
    Forged,
    /// To what a name was resolved to just now, listed and not.
    Asked,
    Refused,
}

/// What the policy promises of a datagram when it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Promise {
    Passes,
    Drops,
    /// The policy changes just now.
    Open,
}

/// A counter of the filter that only traffic of the soak moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Account {
    Names,
    Prefixes,
    Feed,
    NeverResolved,
    WrongPort,
    NameNotAllowed,
}

impl Way {
    pub const ALL: [Self; 10] = [
        Self::PrefixV4,
        Self::PrefixV6,
        Self::Learned,
        Self::Toggled,
        Self::UnlistedV4,
        Self::UnlistedV6,
        Self::WrongPort,
        Self::Forged,
        Self::Asked,
        Self::Refused,
    ];

    /// Where it always leads; nowhere for those that follow an answer.
    pub fn target(self) -> Option<SocketAddr> {
        Some(match self {
            Self::PrefixV4 => (PREFIX_V4, PORT).into(),
            Self::PrefixV6 => (PREFIX_V6, PORT).into(),
            Self::Learned => (LEARNED, PORT).into(),
            Self::Toggled => (TOGGLED, PORT).into(),
            Self::UnlistedV4 => (UNLISTED, PORT).into(),
            Self::UnlistedV6 => (UNLISTED_V6, PORT).into(),
            Self::WrongPort => (PREFIX_V4, WRONG_PORT).into(),
            Self::Forged => (FORGED, PORT).into(),
            Self::Asked | Self::Refused => return None,
        })
    }

    /// What always holds for it; that of [`Self::Toggled`] changes with the feed.
    pub fn promise(self) -> Promise {
        match self {
            Self::PrefixV4 | Self::PrefixV6 | Self::Learned | Self::Asked => Promise::Passes,
            Self::Toggled => Promise::Open,
            Self::UnlistedV4
            | Self::UnlistedV6
            | Self::WrongPort
            | Self::Forged
            | Self::Refused => Promise::Drops,
        }
    }

    /// What it is called in a report.
    pub fn name(self) -> &'static str {
        match self {
            Self::PrefixV4 => "a listed prefix, IPv4",
            Self::PrefixV6 => "a listed prefix, IPv6",
            Self::Learned => "an address learned at the start",
            Self::Toggled => "what the feed gives and takes",
            Self::UnlistedV4 => "an unlisted address, IPv4",
            Self::UnlistedV6 => "an unlisted address, IPv6",
            Self::WrongPort => "a wrong port",
            Self::Forged => "what forged answers say",
            Self::Asked => "a listed name resolved just now",
            Self::Refused => "an unlisted name resolved just now",
        }
    }

    /// The counters that one of its datagrams may raise; one of them, where they are one.
    pub fn accounts(self, promise: Promise) -> &'static [Account] {
        match (self, promise) {
            (Self::PrefixV4 | Self::PrefixV6, _) => &[Account::Prefixes],
            (Self::Learned | Self::Asked, _) => &[Account::Names],
            (Self::Toggled, Promise::Passes) => &[Account::Feed],
            (Self::Toggled, Promise::Open) => &[Account::Feed, Account::NeverResolved],
            (Self::Toggled, Promise::Drops)
            | (Self::UnlistedV4 | Self::UnlistedV6 | Self::Forged, _) => &[Account::NeverResolved],
            (Self::WrongPort, _) => &[Account::WrongPort],
            (Self::Refused, _) => &[Account::NameNotAllowed],
        }
    }
}

impl Promise {
    pub const ALL: [Self; 3] = [Self::Passes, Self::Drops, Self::Open];
}

impl Account {
    pub const ALL: [Self; 6] = [
        Self::Names,
        Self::Prefixes,
        Self::Feed,
        Self::NeverResolved,
        Self::WrongPort,
        Self::NameNotAllowed,
    ];

    /// The counter's name: an endpoint set, or a reason.
    pub fn name(self) -> &'static str {
        match self {
            Self::Names => "own:1",
            Self::Prefixes => "own:2",
            Self::Feed => "feed:999",
            Self::NeverResolved => "never-resolved",
            Self::WrongPort => "wrong-port",
            Self::NameNotAllowed => "name-not-allowed",
        }
    }

    /// How often it was counted.
    pub fn counted(self, status: &Status) -> u64 {
        match self {
            Self::Names | Self::Prefixes | Self::Feed => {
                let same = status.sets.iter().filter(|one| one.set == self.name());
                same.map(|one| one.packets).sum()
            }
            Self::NeverResolved | Self::WrongPort | Self::NameNotAllowed => {
                status.packets(Action::Drop, self.name())
            }
        }
    }
}
