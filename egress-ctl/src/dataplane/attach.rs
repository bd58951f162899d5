//! Programs on interfaces.
//!
//! Links are pinned as `links/INTERFACE.HOOK`, so that they outlive the daemon, and anyone can see
//! what is attached where. A new program takes an old link over, so no packet goes unjudged.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, TcError, Xdp, XdpMode,
    links::{FdLink, LinkError, LinkOrder, PinnedLink},
    tc,
};

use rustix::io::Errno;

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

    fn refused(&self, fault: ProgramError) -> AttachError {
        AttachError::Refused {
            attached: self.clone(),
            fault,
        }
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

impl AttachError {
    /// Whether the driver or the kernel has no such hook.
    fn is_unsupported(&self) -> bool {
        let Self::Refused { fault, .. } = self else {
            return false;
        };
        is(fault, Errno::OPNOTSUPP) || is(fault, Errno::INVAL)
    }
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

/// Checks that every interface of `lan` is there.
///
/// # Errors
/// Names the first that is not.
pub fn check(lan: &[String]) -> Result<(), AttachError> {
    lan.iter().try_for_each(|name| index(name).map(drop))
}

/// Attaches both programs to every interface of `lan`, by hooks of `choice`; then lets go of all others.
///
/// # Errors
/// An interface is missing or the kernel refused. What was attached before stays.
pub fn attach(
    loaded: &mut Loaded,
    pin_dir: &Path,
    lan: &[String],
    choice: Choice,
) -> Result<Vec<Attached>, AttachError> {
    check(lan)?;
    let before = attached(pin_dir)?;
    for old in &before {
        let chosen = choice.xdp.contains(&old.hook) || choice.tc.contains(&old.hook);
        if lan.contains(&old.interface) && !chosen {
            // The kernel has one XDP mode an interface at a time.
            detach_one(pin_dir, old)?;
        }
    }
    for name in lan {
        let there = |hook: &Hook| {
            before
                .iter()
                .any(|old| old.interface == *name && old.hook == *hook)
        };
        let first = |hooks: &[Hook]| {
            let (mut first, rest): (Vec<_>, Vec<_>) = hooks.iter().partition(|hook| there(hook));
            first.extend(rest);
            first
        };
        // Learning begins before judging, so that no answer is missed that a verdict would need.
        attach_by(&first(choice.tc), |hook| {
            attach_egress(loaded, pin_dir, name, hook)
        })?;
        attach_by(&first(choice.xdp), |hook| {
            attach_ingress(loaded.ingress()?, pin_dir, name, hook)
        })?;
    }
    for old in attached(pin_dir)? {
        if !lan.contains(&old.interface) {
            detach_one(pin_dir, &old)?;
        }
    }
    attached(pin_dir)
}

/// Tries hooks in their order, until one is there.
fn attach_by(
    hooks: &[Hook],
    mut attach: impl FnMut(Hook) -> Result<(), AttachError>,
) -> Result<(), AttachError> {
    let mut refused = None;
    for hook in hooks {
        match attach(*hook) {
            Err(fault) if fault.is_unsupported() => refused = Some(fault),
            done => return done,
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Index of an interface.
fn index(name: &str) -> Result<u32, AttachError> {
    if let Ok(index) = rustix::net::netdevice::name_to_index(any_socket()?, name) {
        return Ok(index);
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

/// The kernel lets go of a link some time after its pin is removed.
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

fn is_occupied(fault: &ProgramError) -> bool {
    is(fault, Errno::BUSY) || is(fault, Errno::EXIST)
}

fn attach_ingress(
    program: &mut Xdp,
    pin_dir: &Path,
    name: &str,
    hook: Hook,
) -> Result<(), AttachError> {
    let attached = Attached {
        interface: name.to_owned(),
        hook,
    };
    let put = |link: FdLink| {
        program.attach_to_link(link.try_into()?)?;
        Ok(())
    };
    if take_over(&attached, pin_dir, put)? {
        return Ok(());
    }
    let mode = match hook {
        Hook::XdpNative => XdpMode::Driver,
        _ => XdpMode::Skb,
    };
    let mut link = program.attach(c_name(name).as_c_str(), mode);
    for _ in 0..BUSY_ATTEMPTS {
        if !link.as_ref().is_err_and(is_occupied) {
            break;
        }
        thread::sleep(BUSY_PAUSE);
        link = program.attach(c_name(name).as_c_str(), mode);
    }
    let link = match link {
        Ok(link) => program.take_link(link),
        Err(fault) if is_occupied(&fault) => return Err(AttachError::Occupied(name.to_owned())),
        Err(fault) => Err(fault),
    };
    pin(
        link.map_err(|fault| attached.refused(fault))?.try_into(),
        &attached.pin(pin_dir),
    )
}

fn attach_egress(
    loaded: &mut Loaded,
    pin_dir: &Path,
    name: &str,
    hook: Hook,
) -> Result<(), AttachError> {
    let attached = Attached {
        interface: name.to_owned(),
        hook,
    };
    if hook == Hook::Clsact {
        let index = index(name)?;
        if loaded.filters.contains(&index) {
            return Ok(());
        }
        attach_filter(loaded.egress()?, pin_dir, &attached)?;
        loaded.filters.insert(index);
        return Ok(());
    }
    let program = loaded.egress()?;
    let put = |link: FdLink| {
        program.attach_to_link(link.try_into()?)?;
        Ok(())
    };
    if take_over(&attached, pin_dir, put)? {
        return Ok(());
    }
    let tcx = tc::TcAttach::Tcx {
        attach_type: TcAttachType::Egress,
        order: LinkOrder::default(),
    };
    let link = program
        .attach(c_name(name).as_c_str(), tcx)
        .and_then(|link| program.take_link(link))
        .map_err(|fault| attached.refused(fault))?;
    pin(link.try_into(), &attached.pin(pin_dir))
}

const EXIST: i32 = Errno::EXIST.raw_os_error();

/// A filter of clsact has no link; the pinned program says that it is there.
fn attach_filter(
    program: &mut SchedClassifier,
    pin_dir: &Path,
    attached: &Attached,
) -> Result<(), AttachError> {
    let name = c_name(&attached.interface);
    let refused = |fault| attached.refused(fault);
    match tc::qdisc_add_clsact(name.as_c_str()) {
        Ok(()) | Err(TcError::AlreadyAttached) => {}
        Err(TcError::NetlinkError(fault)) if fault.raw_os_error() == Some(EXIST) => {}
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

/// Puts the new program on the pinned link, where there is one; tells whether it is there.
fn take_over(
    attached: &Attached,
    pin_dir: &Path,
    put: impl FnOnce(FdLink) -> Result<(), Box<dyn std::error::Error>>,
) -> Result<bool, AttachError> {
    let path = attached.pin(pin_dir);
    if !path.exists() {
        return Ok(false);
    }
    let link = PinnedLink::from_pin(&path).map_err(|fault| AttachError::Pin {
        path: path.clone(),
        fault: fault.to_string(),
    })?;
    if put(link.into()).is_ok() {
        return Ok(true);
    }
    // The interface that it was on is gone.
    remove(&path)?;
    Ok(false)
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

fn is(fault: &ProgramError, errno: Errno) -> bool {
    let ProgramError::SyscallError(fault) = fault else {
        return false;
    };
    fault.io_error.raw_os_error() == Some(errno.raw_os_error())
}
