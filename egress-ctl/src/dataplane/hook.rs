//! Hooks, and the names of the pins that say what is attached to them.

use std::{fmt, fs, io, path::Path};

use super::interface::Layer;

/// Folder of links below the pin directory.
pub const LINKS: &str = "links";

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Judging in the driver, before a socket buffer is made.
    XdpNative,
    /// Judging behind the driver, where that has no XDP.
    XdpGeneric,
    /// Judging at TC ingress, by link.
    TcxIngress,
    /// Judging at TC ingress, by filter: before Linux 6.6.
    ClsactIngress,
    /// Steering at TC ingress, by link.
    TcxSteer,
    /// Steering at TC ingress, by filter.
    ClsactSteer,
    /// Diverting to the proxy for DNS over TCP at TC ingress, by link.
    TcxDivert,
    /// Diverting to the proxy for DNS over TCP at TC ingress, by filter.
    ClsactDivert,
    /// Learning at TC egress, by link.
    Tcx,
    /// Learning at TC egress, by filter.
    Clsact,
}

/// What a program does at its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Judges packets of clients.
    Judge,
    /// Writes marks, priorities and DSCPs behind XDP.
    Steer,
    /// Brings DNS over TCP to the proxy on this machine.
    Divert,
    /// Learns from answers to clients.
    Learn,
}

impl Hook {
    const ALL: [Self; 10] = [
        Self::XdpNative,
        Self::XdpGeneric,
        Self::TcxIngress,
        Self::ClsactIngress,
        Self::TcxSteer,
        Self::ClsactSteer,
        Self::TcxDivert,
        Self::ClsactDivert,
        Self::Tcx,
        Self::Clsact,
    ];

    /// The end of the pin's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
            Self::TcxIngress => "tcx-ingress",
            Self::ClsactIngress => "clsact-ingress",
            Self::TcxSteer => "tcx-steer",
            Self::ClsactSteer => "clsact-steer",
            Self::TcxDivert => "tcx-divert",
            Self::ClsactDivert => "clsact-divert",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }

    /// What a program does there.
    pub fn role(self) -> Role {
        match self {
            Self::XdpNative | Self::XdpGeneric | Self::TcxIngress | Self::ClsactIngress => {
                Role::Judge
            }
            Self::TcxSteer | Self::ClsactSteer => Role::Steer,
            Self::TcxDivert | Self::ClsactDivert => Role::Divert,
            Self::Tcx | Self::Clsact => Role::Learn,
        }
    }

    /// Whether it is a hook of XDP, of which an interface has one at a time.
    pub fn is_xdp(self) -> bool {
        matches!(self, Self::XdpNative | Self::XdpGeneric)
    }

    /// Whether it is a filter of clsact, which has no link.
    pub fn is_filter(self) -> bool {
        matches!(
            self,
            Self::ClsactIngress | Self::ClsactSteer | Self::ClsactDivert | Self::Clsact
        )
    }

    /// The mode, as `status` shows it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::XdpNative => "native",
            Self::XdpGeneric => "generic",
            Self::TcxIngress | Self::TcxSteer | Self::TcxDivert | Self::Tcx => "tcx",
            Self::ClsactIngress | Self::ClsactSteer | Self::ClsactDivert | Self::Clsact => "clsact",
        }
    }

    /// The side of the interface, as messages name it.
    fn side(self) -> &'static str {
        match self.role() {
            Role::Judge if self.is_xdp() => "XDP",
            Role::Judge => "TC ingress",
            Role::Steer => "TC ingress, steering",
            Role::Divert => "TC ingress, DNS over TCP",
            Role::Learn => "TC egress",
        }
    }
}

/// Where packets may be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// In the driver.
    Native,
    /// Behind the driver.
    Generic,
    /// At TC ingress.
    Tc,
}

/// How programs may be attached to TC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcBy {
    /// By link, from Linux 6.6.
    Tcx,
    /// By a filter of clsact.
    Clsact,
}

/// Hooks that may be used, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// For judging.
    pub judging: &'static [Judging],
    /// For everything at TC.
    pub tc: &'static [TcBy],
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            judging: &[Judging::Native, Judging::Generic, Judging::Tc],
            tc: &[TcBy::Tcx, TcBy::Clsact],
        }
    }
}

impl Choice {
    /// Hooks for a role on a device of this layer; where there is no Ethernet header, there is no XDP.
    pub fn hooks(&self, role: Role, layer: Layer) -> Vec<Hook> {
        let tc = |by: &TcBy| match (role, by) {
            (Role::Judge, TcBy::Tcx) => Hook::TcxIngress,
            (Role::Judge, TcBy::Clsact) => Hook::ClsactIngress,
            (Role::Steer, TcBy::Tcx) => Hook::TcxSteer,
            (Role::Steer, TcBy::Clsact) => Hook::ClsactSteer,
            (Role::Divert, TcBy::Tcx) => Hook::TcxDivert,
            (Role::Divert, TcBy::Clsact) => Hook::ClsactDivert,
            (Role::Learn, TcBy::Tcx) => Hook::Tcx,
            (Role::Learn, TcBy::Clsact) => Hook::Clsact,
        };
        let tc = || self.tc.iter().map(tc);
        if role != Role::Judge || layer == Layer::Ip {
            return tc().collect();
        }
        let hooks = self.judging.iter().map(|judging| match judging {
            Judging::Native => vec![Hook::XdpNative],
            Judging::Generic => vec![Hook::XdpGeneric],
            Judging::Tc => tc().collect(),
        });
        hooks.flatten().collect()
    }
}

/// A program on an interface, pinned as `links/INTERFACE:INDEX:HOOK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// The interface's name in the config when it was attached.
    pub interface: String,
    /// Its index, which it keeps when it is renamed, and which another interface of that name has not.
    pub index: u32,
    /// Where.
    pub hook: Hook,
}

impl Attached {
    /// The pin's name. A BPF file system takes no dots, which names of VLAN interfaces have.
    pub(super) fn pin_name(&self) -> String {
        let interface = self.interface.replace('%', "%25").replace('.', "%2e");
        format!("{interface}:{}:{}", self.index, self.hook.suffix())
    }

    fn from_pin_name(name: &str) -> Option<Self> {
        let mut parts = name.rsplitn(3, ':');
        let suffix = parts.next()?;
        let index = parts.next()?.parse().ok()?;
        let interface = parts.next()?.replace("%2e", ".").replace("%25", "%");
        let hook = Hook::ALL.into_iter().find(|hook| hook.suffix() == suffix)?;
        Some(Self {
            interface,
            index,
            hook,
        })
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interface, hook, ..
        } = self;
        write!(f, "{interface} ({}, {})", hook.side(), hook.mode())
    }
}

/// Everything that was attached and not let go, by the pins.
///
/// # Errors
/// The folder of pins cannot be read.
pub fn attached(pin_dir: &Path) -> io::Result<Vec<Attached>> {
    let entries = match fs::read_dir(pin_dir.join(LINKS)) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        all.extend(name.to_str().and_then(Attached::from_pin_name));
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_hold_no_dots_and_come_back() {
        for interface in ["lan", "eth1.20", "a%b", "a:b", "br-1.2.3"] {
            for hook in Hook::ALL {
                let attached = Attached {
                    interface: interface.to_owned(),
                    index: 12,
                    hook,
                };
                let name = attached.pin_name();
                assert!(!name.contains('.'), "{name}");
                assert_eq!(Attached::from_pin_name(&name), Some(attached));
            }
        }
        for foreign in ["lan", "lan:tcx", "lan:x:tcx", "lan:1:tc"] {
            assert_eq!(Attached::from_pin_name(foreign), None);
        }
    }

    #[test]
    fn tc_comes_last_and_alone_where_there_is_no_link_layer() {
        use Hook::{Clsact, ClsactIngress, ClsactSteer, Tcx, TcxIngress, XdpGeneric, XdpNative};
        let any = Choice::default();
        let native = Choice {
            judging: &[Judging::Native],
            ..any
        };
        let filters = Choice {
            tc: &[TcBy::Clsact],
            ..any
        };
        let table: [(Choice, Role, Layer, &[Hook]); 6] = [
            (
                any,
                Role::Judge,
                Layer::Ethernet,
                &[XdpNative, XdpGeneric, TcxIngress, ClsactIngress],
            ),
            (any, Role::Judge, Layer::Ip, &[TcxIngress, ClsactIngress]),
            (native, Role::Judge, Layer::Ethernet, &[XdpNative]),
            (native, Role::Judge, Layer::Ip, &[TcxIngress, ClsactIngress]),
            (any, Role::Learn, Layer::Ip, &[Tcx, Clsact]),
            (filters, Role::Steer, Layer::Ethernet, &[ClsactSteer]),
        ];
        for (choice, role, layer, expected) in table {
            assert_eq!(choice.hooks(role, layer), expected, "{role:?} {layer:?}");
        }
    }
}
