//! Puts programs on interfaces, and takes them off.
//!
//! A program that is attached stays until its successor is: links are pinned, and a new program
//! takes an old link over in place. Only a change between native and generic XDP has a gap, since the
//! kernel has one of them an interface.

mod side;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::programs::ProgramError;
use tracing::warn;

use self::side::{Egress, Ingress, Side};
use super::{
    ask,
    hook::{Attached, Choice, Hook, LINKS, attached},
    interface,
    load::{LoadError, Loaded, check_bpffs},
    maps::{self, Pinned, PinnedError},
};

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

/// Checks that every interface of `lan` is there.
///
/// # Errors
/// Names the first that is not.
pub fn check(lan: &[String]) -> Result<(), AttachError> {
    lan.iter().try_for_each(|name| index(name).map(drop))
}

fn index(name: &str) -> Result<u32, AttachError> {
    interface::index(name).ok_or_else(|| AttachError::NoInterface {
        name: name.to_owned(),
        known: interface::names().join(", "),
    })
}

/// Attaches both programs to every interface of `lan`, by hooks of `choice`.
///
/// # Errors
/// An interface is missing or the kernel refused. What this call attached is taken off again; what was
/// attached before stays.
pub fn attach(
    loaded: &mut Loaded,
    pin_dir: &Path,
    lan: &[String],
    choice: Choice,
) -> Result<(), AttachError> {
    check(lan)?;
    let before = list(pin_dir)?;
    let done = attach_all(loaded, pin_dir, lan, choice, &before);
    if done.is_err() {
        for new in list(pin_dir)?.iter().filter(|new| !before.contains(new)) {
            detach_one(pin_dir, new)?;
        }
    }
    done
}

fn attach_all(
    loaded: &mut Loaded,
    pin_dir: &Path,
    lan: &[String],
    choice: Choice,
    before: &[Attached],
) -> Result<(), AttachError> {
    for name in lan {
        let index = index(name)?;
        // Answers that come in from there are forged: no resolver stands behind a LAN interface.
        let mut interfaces = Pinned(pin_dir).lan()?;
        interfaces
            .insert(&index, &1, 0)
            .map_err(AttachError::Interfaces)?;
        let before = |ingress: bool| -> Vec<Attached> {
            let of_side = |old: &&Attached| old.index == index && old.hook.is_ingress() == ingress;
            before.iter().filter(of_side).cloned().collect()
        };
        let at = |hook| Attached {
            interface: name.clone(),
            index,
            hook,
        };
        // Learning begins before judging, so that no answer is missed that a verdict would need.
        settle(
            &mut Egress(loaded.egress()?),
            pin_dir,
            choice.tc,
            &before(false),
            at,
        )?;
        settle(
            &mut Ingress(loaded.ingress()?),
            pin_dir,
            choice.xdp,
            &before(true),
            at,
        )?;
    }
    Ok(())
}

/// Makes one side of an interface as it should be.
fn settle(
    side: &mut impl Side,
    pin_dir: &Path,
    hooks: &[Hook],
    before: &[Attached],
    at: impl Fn(Hook) -> Attached,
) -> Result<(), AttachError> {
    let (chosen, others): (Vec<_>, Vec<_>) =
        before.iter().partition(|old| hooks.contains(&old.hook));
    for old in chosen {
        if side.take_over(pin_dir, old)? {
            return Ok(());
        }
    }
    if side.is_exclusive() {
        for old in &others {
            detach_one(pin_dir, old)?;
        }
    }
    let attached = attach_by(side, pin_dir, hooks, at);
    if attached.is_ok() {
        return others.iter().try_for_each(|old| detach_one(pin_dir, old));
    }
    if side.is_exclusive() {
        for old in &others {
            side.attach(pin_dir, old)?;
        }
    }
    attached
}

/// Tries hooks in their order, until one is there.
fn attach_by(
    side: &mut impl Side,
    pin_dir: &Path,
    hooks: &[Hook],
    at: impl Fn(Hook) -> Attached,
) -> Result<(), AttachError> {
    let mut last = Ok(());
    for hook in hooks {
        last = side.attach(pin_dir, &at(*hook));
        match &last {
            Err(fault @ AttachError::Refused { source, .. }) if side::may_fit_elsewhere(source) => {
                let why = anyhow::Chain::new(fault).map(ToString::to_string);
                warn!("{}", why.collect::<Vec<_>>().join(": "));
            }
            _ => return last,
        }
    }
    last
}

/// Takes the programs off every interface that is not in `lan`, or that is not there any more.
///
/// # Errors
/// A pin could not be removed.
pub fn let_go(pin_dir: &Path, lan: &[String]) -> Result<(), AttachError> {
    let indices: Vec<_> = lan
        .iter()
        .filter_map(|name| interface::index(name))
        .collect();
    for old in list(pin_dir)? {
        if !indices.contains(&old.index) {
            detach_one(pin_dir, &old)?;
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

/// Removes the pins of all maps; programs that use them go on.
///
/// # Errors
/// A pin could not be removed.
pub fn remove_maps(pin_dir: &Path) -> Result<(), AttachError> {
    maps::PINS
        .iter()
        .try_for_each(|name| remove(&pin_dir.join(name)))
}

fn list(pin_dir: &Path) -> Result<Vec<Attached>, AttachError> {
    let path = pin_dir.join(LINKS);
    attached(pin_dir).map_err(AttachError::pin("list", &path))
}

fn detach_one(pin_dir: &Path, attached: &Attached) -> Result<(), AttachError> {
    if attached.hook == Hook::Clsact {
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
