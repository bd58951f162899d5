//! Programs on interfaces.
//!
//! Links are pinned as `links/INTERFACE.HOOK`, so that they outlive the daemon, and anyone can see
//! what is attached where. A new program takes an old link over, so no packet goes unjudged.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, TcError, Xdp, XdpMode,
    links::{FdLink, LinkError, PinnedLink},
    tc,
};

use super::load::{EGRESS, LoadError, Loaded};

/// Folder below the pin directory.
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

/// A program on an interface.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attached {
    /// The interface's name when it was attached.
    pub interface: String,
    /// Where.
    pub hook: Hook,
}

impl Attached {
    fn pin(&self, pin_dir: &Path) -> PathBuf {
        let Self { interface, hook } = self;
        pin_dir
            .join(LINKS)
            .join(format!("{interface}:{}", hook.suffix()))
    }

    fn from_pin(name: &str) -> Option<Self> {
        let (interface, suffix) = name.rsplit_once(':')?;
        let hook = Hook::ALL.into_iter().find(|hook| hook.suffix() == suffix)?;
        let interface = interface.to_owned();
        Some(Self { interface, hook })
    }
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interface, hook } = self;
        let side = if hook.is_ingress() {
            "XDP"
        } else {
            "TC egress"
        };
        write!(f, "{interface} ({side}, {})", hook.mode())
    }
}

/// Why a program is not attached, or still is.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such interface.
    #[error("there is no interface `{name}` (gateway.lan); there are {known}")]
    NoInterface {
        /// As the config names it.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// Another XDP program is there.
    #[error(
        "another XDP program is attached to `{0}`; remove it with `ip link set dev {0} xdp off`, or take the interface out of gateway.lan"
    )]
    Occupied(String),
    /// The kernel refused.
    #[error("cannot attach to {attached}: {fault}")]
    Refused {
        /// Where.
        attached: Attached,
        /// Why.
        fault: ProgramError,
    },
    /// A pin could not be made, read or removed.
    #[error("cannot use the pin {}: {fault}", .path.display())]
    Pin {
        /// The pin.
        path: PathBuf,
        /// Why.
        fault: String,
    },
    /// The object holds no such program.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Everything that is attached, by the pins.
///
/// # Errors
/// The folder of pins cannot be read.
pub fn attached(pin_dir: &Path) -> Result<Vec<Attached>, AttachError> {
    let path = pin_dir.join(LINKS);
    let pin = |fault: io::Error| AttachError::Pin {
        path: path.clone(),
        fault: fault.to_string(),
    };
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(pin(fault)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let name = entry.map_err(pin)?.file_name();
        all.extend(name.to_str().and_then(Attached::from_pin));
    }
    all.sort();
    Ok(all)
}

/// Attaches both programs to every interface of `lan`, then lets go of all others.
///
/// # Errors
/// An interface is missing or the kernel refused. What was attached before stays.
pub fn attach(
    loaded: &mut Loaded,
    pin_dir: &Path,
    lan: &[String],
) -> Result<Vec<Attached>, AttachError> {
    for name in lan {
        check_exists(name)?;
    }
    for name in lan {
        // Learning begins before judging, so that no answer is missed that a verdict would need.
        attach_egress(loaded.egress()?, pin_dir, name)?;
        attach_ingress(loaded.ingress()?, pin_dir, name)?;
    }
    for old in attached(pin_dir)? {
        if !lan.contains(&old.interface) {
            detach_one(pin_dir, &old)?;
        }
    }
    attached(pin_dir)
}

fn check_exists(name: &str) -> Result<(), AttachError> {
    if rustix::net::netdevice::name_to_index(any_socket()?, name).is_ok() {
        return Ok(());
    }
    let known = fs::read_dir("/sys/class/net").map(|entries| {
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names.join(", ")
    });
    Err(AttachError::NoInterface {
        name: name.to_owned(),
        known: known.unwrap_or_default(),
    })
}

/// A socket of this network namespace, to ask for interfaces with.
fn any_socket() -> Result<rustix::fd::OwnedFd, AttachError> {
    use rustix::net::{AddressFamily, SocketType, socket};
    socket(AddressFamily::INET, SocketType::DGRAM, None).map_err(|fault| AttachError::Pin {
        path: PathBuf::from("a socket"),
        fault: fault.to_string(),
    })
}

/// XDP in the driver, or behind it where the driver has none.
fn attach_ingress(program: &mut Xdp, pin_dir: &Path, name: &str) -> Result<(), AttachError> {
    let at = |hook| Attached {
        interface: name.to_owned(),
        hook,
    };
    for hook in [Hook::XdpNative, Hook::XdpGeneric] {
        if let Some(link) = take_over(&at(hook), pin_dir)? {
            let taken = link
                .try_into()
                .map_err(|fault: LinkError| fault.to_string());
            if taken.is_ok_and(|link| program.attach_to_link(link).is_ok()) {
                return Ok(());
            }
            // The interface that it was on is gone.
            remove(&at(hook).pin(pin_dir))?;
        }
    }
    let refused = |attached, fault| AttachError::Refused { attached, fault };
    let (hook, link) = match program.attach(c_name(name).as_c_str(), XdpMode::Driver) {
        Ok(link) => (Hook::XdpNative, link),
        Err(fault) if is(&fault, rustix::io::Errno::BUSY) => {
            return Err(AttachError::Occupied(name.to_owned()));
        }
        Err(fault) if is(&fault, rustix::io::Errno::OPNOTSUPP) => {
            let link = program.attach(c_name(name).as_c_str(), XdpMode::Skb);
            (
                Hook::XdpGeneric,
                link.map_err(|fault| refused(at(Hook::XdpGeneric), fault))?,
            )
        }
        Err(fault) => return Err(refused(at(Hook::XdpNative), fault)),
    };
    let link = program
        .take_link(link)
        .map_err(|fault| refused(at(hook), fault))?;
    pin(link.try_into(), &at(hook).pin(pin_dir))
}

/// TC egress by link, or by filter where the kernel has no such links.
fn attach_egress(
    program: &mut SchedClassifier,
    pin_dir: &Path,
    name: &str,
) -> Result<(), AttachError> {
    let at = |hook| Attached {
        interface: name.to_owned(),
        hook,
    };
    if let Some(link) = take_over(&at(Hook::Tcx), pin_dir)? {
        let taken = link
            .try_into()
            .map_err(|fault: LinkError| fault.to_string());
        if taken.is_ok_and(|link| program.attach_to_link(link).is_ok()) {
            return Ok(());
        }
        remove(&at(Hook::Tcx).pin(pin_dir))?;
    }
    let refused = |hook| {
        move |fault| AttachError::Refused {
            attached: at(hook),
            fault,
        }
    };
    let tcx = tc::TcAttach::Tcx {
        attach_type: TcAttachType::Egress,
        order: Default::default(),
    };
    match program.attach(c_name(name).as_c_str(), tcx) {
        Ok(link) => {
            let link = program.take_link(link).map_err(refused(Hook::Tcx))?;
            pin(link.try_into(), &at(Hook::Tcx).pin(pin_dir))
        }
        Err(fault) if is(&fault, rustix::io::Errno::INVAL) => {
            attach_filter(program, pin_dir, &at(Hook::Clsact))
        }
        Err(fault) => Err(refused(Hook::Tcx)(fault)),
    }
}

/// A filter of clsact has no link; the pinned program says that it is there.
fn attach_filter(
    program: &mut SchedClassifier,
    pin_dir: &Path,
    attached: &Attached,
) -> Result<(), AttachError> {
    let name = c_name(&attached.interface);
    let refused = |fault: ProgramError| AttachError::Refused {
        attached: attached.clone(),
        fault,
    };
    match tc::qdisc_add_clsact(name.as_c_str()) {
        Ok(()) | Err(TcError::AlreadyAttached) => {}
        Err(fault) => return Err(refused(fault.into())),
    }
    remove_filter(&attached.interface)?;
    let filter = program
        .attach(name.as_c_str(), TcAttachType::Egress)
        .map_err(refused)?;
    let filter = program.take_link(filter).map_err(refused)?;
    // Dropping the link would remove the filter.
    std::mem::forget(filter);
    let path = attached.pin(pin_dir);
    remove(&path)?;
    program.pin(&path).map_err(|fault| AttachError::Pin {
        path,
        fault: fault.to_string(),
    })
}

fn remove_filter(interface: &str) -> Result<(), AttachError> {
    let name = c_name(interface);
    match tc::qdisc_detach_program(name.as_c_str(), TcAttachType::Egress.into(), EGRESS) {
        Ok(()) => Ok(()),
        Err(TcError::IoError(fault)) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(AttachError::Refused {
            attached: Attached {
                interface: interface.to_owned(),
                hook: Hook::Clsact,
            },
            fault: fault.into(),
        }),
    }
}

/// The pinned link, where there is one.
fn take_over(attached: &Attached, pin_dir: &Path) -> Result<Option<FdLink>, AttachError> {
    let path = attached.pin(pin_dir);
    if !path.exists() {
        return Ok(None);
    }
    match PinnedLink::from_pin(&path) {
        Ok(link) => Ok(Some(link.into())),
        Err(fault) => Err(AttachError::Pin {
            path,
            fault: fault.to_string(),
        }),
    }
}

fn pin(link: Result<FdLink, LinkError>, path: &Path) -> Result<(), AttachError> {
    let fault = |fault: String| AttachError::Pin {
        path: path.to_owned(),
        fault,
    };
    let link = link.map_err(|f| fault(f.to_string()))?;
    link.pin(path).map_err(|f| fault(f.to_string()))?;
    Ok(())
}

/// Takes every program off its interface and removes all pins, with all that was learned and counted.
/// Tells what was attached.
///
/// # Errors
/// A pin could not be removed.
pub fn detach(pin_dir: &Path) -> Result<Vec<Attached>, AttachError> {
    let all = attached(pin_dir)?;
    for one in &all {
        detach_one(pin_dir, one)?;
    }
    if pin_dir.exists() {
        fs::remove_dir_all(pin_dir).map_err(|fault| AttachError::Pin {
            path: pin_dir.to_owned(),
            fault: fault.to_string(),
        })?;
    }
    Ok(all)
}

fn detach_one(pin_dir: &Path, attached: &Attached) -> Result<(), AttachError> {
    if attached.hook == Hook::Clsact {
        remove_filter(&attached.interface)?;
    }
    remove(&attached.pin(pin_dir))
}

fn remove(path: &Path) -> Result<(), AttachError> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(AttachError::Pin {
            path: path.to_owned(),
            fault: fault.to_string(),
        }),
        _ => Ok(()),
    }
}

/// The name as the kernel's interface wants it; names from the config hold no NUL.
fn c_name(name: &str) -> std::ffi::CString {
    std::ffi::CString::new(name).unwrap_or_default()
}

fn is(fault: &ProgramError, errno: rustix::io::Errno) -> bool {
    let ProgramError::SyscallError(fault) = fault else {
        return false;
    };
    fault.io_error.raw_os_error() == Some(errno.raw_os_error())
}
