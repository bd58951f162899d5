//! Hooks, and the names of the pins that say what is attached to them.

use std::{fmt, fs, io, path::Path};

use super::interface;

/// Folder of links below the pin directory.
pub const LINKS: &str = "links";

/// Where a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// In the driver, before a socket buffer is made.
    XdpNative,
    /// Behind the driver, where that has no XDP.
    XdpGeneric,
    /// TC egress, by link.
    Tcx,
    /// TC egress, by filter: before Linux 6.6.
    Clsact,
}

impl Hook {
    const ALL: [Self; 4] = [Self::XdpNative, Self::XdpGeneric, Self::Tcx, Self::Clsact];

    /// The end of the pin's name.
    fn suffix(self) -> &'static str {
        match self {
            Self::XdpNative => "xdp-native",
            Self::XdpGeneric => "xdp-generic",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }

    /// Whether packets from clients are judged there.
    pub fn is_ingress(self) -> bool {
        matches!(self, Self::XdpNative | Self::XdpGeneric)
    }

    /// The mode, as `status` shows it.
    pub fn mode(self) -> &'static str {
        match self {
            Self::XdpNative => "native",
            Self::XdpGeneric => "generic",
            Self::Tcx => "tcx",
            Self::Clsact => "clsact",
        }
    }
}

/// Hooks that may be used, the preferred one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// For judging.
    pub xdp: &'static [Hook],
    /// For learning.
    pub tc: &'static [Hook],
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            xdp: &[Hook::XdpNative, Hook::XdpGeneric],
            tc: &[Hook::Tcx, Hook::Clsact],
        }
    }
}

/// A program on an interface, pinned as `links/INTERFACE:INDEX:HOOK`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// The interface's name when it was attached.
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

    /// Whether the interface is still there, under the same name.
    pub fn is_there(&self) -> bool {
        interface::index(&self.interface).is_some_and(|index| index == self.index)
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            interface, hook, ..
        } = self;
        let side = if hook.is_ingress() {
            "XDP"
        } else {
            "TC egress"
        };
        write!(f, "{interface} ({side}, {})", hook.mode())
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
}
