//! Puts programs on interfaces, and takes them off.
//!
//! A program that is attached stays until its successor is: links are pinned, and a new program
//! takes an old link over in place. Only a change between native and generic XDP has a gap, since the
//! kernel has one of them an interface.

mod foreign;
mod ours;
mod present;
mod side;
mod site;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::ProgramError;
use serde::{Deserialize, Serialize};

pub(super) use self::present::filters;
use self::site::Site;
pub use self::{ours::ours, present::lost};
use super::{
    aside, ask,
    bind::Bound,
    carried,
    hook::{Attached, Choice, LINKS, Role, attached},
    interface::{Device, Layer},
    load::{LoadError, Loaded, check_bpffs, name},
    maps::{self, Pinned, PinnedError},
};

/// Why a program is not attached, or still is.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The kernel's packets of such a device are not understood.
    #[error(
        "`{interface}` is a device of kind {kind} (ARPHRD, linux/if_arp.h), which has neither an Ethernet header nor begins with IP: name another interface in gateway.lan"
    )]
    Layer {
        /// As the config names it.
        interface: String,
        /// The kernel's number of its kind.
        kind: u16,
    },
    /// Another XDP program is there.
    #[error(
        "another XDP program{by} is attached to `{interface}`; remove it with `ip link set dev {interface} xdp off`, replace it with `egress-ctl run --force`, or judge behind it with `--xdp tc`"
    )]
    Occupied {
        /// As the config names it.
        interface: String,
        /// Its name and number, behind a space.
        by: String,
    },
    /// Another XDP program could not be replaced.
    #[error("cannot replace the XDP program of `{interface}`")]
    Foreign {
        /// As the config names it.
        interface: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel refused.
    #[error("cannot attach to {attached}")]
    Refused {
        /// Where.
        attached: Attached,
        /// Why.
        source: ProgramError,
    },
    /// A pin could not be made, read or removed.
    #[error("cannot {what} the pin {}", .path.display())]
    Pin {
        /// Which operation.
        what: &'static str,
        /// The pin.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The object or a map is not as it should be.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The map of LAN interfaces is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused to note a LAN interface.
    #[error("cannot note the LAN interfaces in the kernel")]
    Interfaces(#[source] aya::maps::MapError),
}

impl AttachError {
    fn pin<E>(what: &'static str, path: &Path) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Pin {
            what,
            path: path.to_owned(),
            source: source.into(),
        }
    }
}

/// What is to be attached.
#[derive(Clone, Copy)]
pub struct Plan<'a> {
    /// The configured interfaces and their devices.
    pub bound: &'a [Bound],
    /// Hooks that may be used.
    pub choice: Choice,
    /// Programs that not every policy needs.
    pub needs: Needs,
    /// Whether XDP programs of others are replaced.
    pub force: bool,
}

/// Programs that only some policies need.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Packets are steered.
    pub steers: bool,
    /// DNS over TCP goes through the proxy on this machine.
    pub diverts: bool,
}

/// Something about an interface that the administrator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// As the config names it.
    pub interface: String,
    /// What it is about; a later remark takes the place of an earlier one.
    pub topic: Topic,
    /// What; empty where there is nothing more to say.
    pub text: String,
}

/// What a remark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Why packets are judged where they are.
    Judged,
    /// Whose program was replaced.
    Replaced,
    /// What was gone and was put back.
    Restored,
    /// Why it is not filtered.
    Failed,
    /// That it is a port of something else.
    Port,
}

/// Attaches programs to every interface that is there, and tells what is remarkable about it.
///
/// # Errors
/// The kernel refused. What this call attached is taken off again; what was attached before stays.
pub fn attach(
    loaded: &mut Loaded,
    pin_dir: &Path,
    plan: Plan<'_>,
) -> Result<Vec<Remark>, AttachError> {
    let before = list(pin_dir)?;
    let done = attach_all(loaded, pin_dir, plan, &before);
    if done.is_err() {
        for new in list(pin_dir)?.iter().filter(|new| !before.contains(new)) {
            detach_one(pin_dir, new)?;
        }
    }
    done
}

/// What programs are wanted for.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The configured interfaces and their devices.
    pub bound: &'a [Bound],
    /// Hooks that may be used.
    pub choice: Choice,
    /// Whether DNS over TCP goes through the proxy on this machine.
    pub diverts: bool,
}

/// Loads the programs that judge, learn and divert where they are attached, or will be first, so that this takes no time
/// later. What the kernel refuses is told when it is attached.
///
/// # Errors
/// The pins cannot be listed.
pub fn prepare(loaded: &mut Loaded, pin_dir: &Path, wanted: Wanted<'_>) -> Result<(), AttachError> {
    let before = list(pin_dir)?;
    let mut names = Vec::new();
    let devices = wanted.bound.iter();
    for device in devices.filter_map(|bound| bound.device.as_ref()) {
        let diverts = wanted.diverts.then_some(Role::Divert);
        for role in [Role::Judge, Role::Learn].into_iter().chain(diverts) {
            let hooks = wanted.choice.hooks(role, device.layer);
            let mut there = before.iter().filter(|old| old.index == device.index);
            let there = there.find(|old| hooks.contains(&old.hook));
            let hook = there.map(|old| old.hook).or(hooks.first().copied());
            names.extend(hook.map(|hook| name(hook, device.layer)));
        }
    }
    loaded.load_ahead(&names);
    Ok(())
}

fn attach_all(
    loaded: &mut Loaded,
    pin_dir: &Path,
    plan: Plan<'_>,
    before: &[Attached],
) -> Result<Vec<Remark>, AttachError> {
    let mut remarks = Vec::new();
    let there = plan
        .bound
        .iter()
        .filter_map(|bound| Some((&bound.name, bound.device.as_ref()?)));
    for (name, device) in there {
        check_layer(name, device)?;
        // Answers that come in from there are forged: no resolver stands behind a LAN interface.
        let mut interfaces = Pinned(pin_dir).lan()?;
        interfaces
            .insert(&device.index, &1, 0)
            .map_err(AttachError::Interfaces)?;
        let mut site = Site {
            loaded: &mut *loaded,
            pin_dir,
            name,
            device,
            force: plan.force,
            remarks: Vec::new(),
        };
        site.attach(plan, before)?;
        let remark = |(topic, text)| Remark {
            interface: name.clone(),
            topic,
            text,
        };
        remarks.extend(site.remarks.into_iter().map(remark));
    }
    Ok(remarks)
}

fn check_layer(name: &str, device: &Device) -> Result<(), AttachError> {
    match device.layer {
        Layer::Ethernet | Layer::Ip => Ok(()),
        Layer::Other(kind) => Err(AttachError::Layer {
            interface: name.to_owned(),
            kind,
        }),
    }
}

/// Takes the programs off every interface that no device of `bound` is, those that are not needed, and those
/// that steer where XDP does not judge.
///
/// # Errors
/// A pin could not be removed.
pub fn let_go(pin_dir: &Path, bound: &[Bound], needs: Needs) -> Result<(), AttachError> {
    let devices = bound.iter().filter_map(|bound| bound.device.as_ref());
    let indices: Vec<_> = devices.map(|device| device.index).collect();
    let all = list(pin_dir)?;
    let by_xdp = |index| {
        let mut judging = all.iter().filter(|one| one.index == index);
        judging.any(|one| one.hook.is_xdp())
    };
    for old in &all {
        let is_idle = match old.hook.role() {
            Role::Steer => !(needs.steers && by_xdp(old.index)),
            Role::Divert => !needs.diverts,
            Role::Judge | Role::Learn => false,
        };
        if is_idle || !indices.contains(&old.index) {
            detach_one(pin_dir, old)?;
        }
    }
    let mut interfaces = Pinned(pin_dir).lan()?;
    let noted: Vec<u32> = interfaces.keys().filter_map(Result::ok).collect();
    for index in noted.iter().filter(|index| !indices.contains(index)) {
        interfaces.remove(index).map_err(AttachError::Interfaces)?;
    }
    Ok(())
}

/// Takes every program off its interface and removes all our pins, with all that was learned and
/// counted. Tells what was attached.
///
/// # Errors
/// The folder is on no BPF file system, or a pin could not be removed.
pub fn detach(pin_dir: &Path) -> Result<Vec<Attached>, AttachError> {
    check_bpffs(pin_dir)?;
    let all = list(pin_dir)?;
    for one in &all {
        detach_one(pin_dir, one)?;
    }
    remove_maps(pin_dir)?;
    ask::unpin(pin_dir).map_err(AttachError::pin("remove", pin_dir))?;
    for folder in [pin_dir.join(LINKS), pin_dir.to_owned()] {
        // What is not ours stays, and its folder with it.
        let _: io::Result<()> = fs::remove_dir(folder);
    }
    Ok(all)
}

/// Removes the pins of all maps, and of those of before; programs that use them go on.
///
/// # Errors
/// A pin could not be removed.
pub fn remove_maps(pin_dir: &Path) -> Result<(), AttachError> {
    let pins = maps::PINS.iter();
    pins.map(|name| pin_dir.join(name))
        .try_for_each(|path| remove(&path))?;
    carried::forget(pin_dir).map_err(AttachError::pin("remove", pin_dir))?;
    aside::forget(pin_dir).map_err(AttachError::pin("remove", pin_dir))
}

fn list(pin_dir: &Path) -> Result<Vec<Attached>, AttachError> {
    let path = pin_dir.join(LINKS);
    attached(pin_dir).map_err(AttachError::pin("list", &path))
}

fn detach_one(pin_dir: &Path, attached: &Attached) -> Result<(), AttachError> {
    if attached.hook.is_filter() {
        side::remove_filter(attached)?;
    }
    remove(&pin(pin_dir, attached))
}

fn pin(pin_dir: &Path, attached: &Attached) -> PathBuf {
    pin_dir.join(LINKS).join(attached.pin_name())
}

fn remove(path: &Path) -> Result<(), AttachError> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            Err(AttachError::pin("remove", path)(fault))
        }
        _ => Ok(()),
    }
}
