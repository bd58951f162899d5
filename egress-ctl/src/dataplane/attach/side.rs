//! One program at one hook: how it is attached, takes its predecessor's place, and is taken off.

use std::{path::Path, thread, time::Duration};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, TcError, Xdp, XdpMode,
    links::{FdLink, LinkOrder, PinnedLink},
    tc::{self, NlOptions, SchedClassifierLink, TcAttach, TcHandle},
};
use rustix::io::Errno;

use super::{AttachError, pin, remove};
use crate::dataplane::{
    hook::{Attached, Hook, Role},
    interface::Layer,
    load::{Program, name},
};

/// The kernel lets go of a link some time after its pin is removed.
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Puts a program in the place of its predecessor; false where that is gone with its interface, or by
/// somebody's hand.
pub(super) fn take_over(
    program: Program<'_>,
    pin_dir: &Path,
    old: &Attached,
) -> Result<bool, AttachError> {
    match program {
        Program::Xdp(program) => replace(pin_dir, old, |link| {
            let link = link.try_into().map_err(|_| wrong_link())?;
            let link = program.attach_to_link(link)?;
            // The pin holds the link, and nothing else: where the pin is gone, so is the program.
            program.take_link(link).map(drop)
        }),
        Program::Tc(program) if old.hook.is_filter() => {
            let taken = replace_filter(program, old).is_ok();
            match taken {
                true => mark(program, pin_dir, old)?,
                false => remove(&pin(pin_dir, old))?,
            }
            Ok(taken)
        }
        Program::Tc(program) => replace(pin_dir, old, |link| {
            let link = link.try_into().map_err(|_| wrong_link())?;
            let link = program.attach_to_link(link)?;
            program.take_link(link).map(drop)
        }),
    }
}

/// Attaches a program anew, and pins the link.
pub(super) fn attach(
    program: Program<'_>,
    pin_dir: &Path,
    at: &Attached,
) -> Result<(), AttachError> {
    match program {
        Program::Xdp(program) => attach_xdp(program, pin_dir, at),
        Program::Tc(program) if at.hook.is_filter() => {
            add_filter(program, at).map_err(|source| refused(at, source))?;
            mark(program, pin_dir, at)
        }
        Program::Tc(program) => attach_tcx(program, pin_dir, at),
    }
}

fn attach_xdp(program: &mut Xdp, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
    let mode = match at.hook {
        Hook::XdpNative => XdpMode::Driver,
        _ => XdpMode::Skb,
    };
    let mut link = program.attach(at.index, mode);
    for _ in 0..BUSY_ATTEMPTS {
        if !link.as_ref().is_err_and(is_occupied) {
            break;
        }
        thread::sleep(BUSY_PAUSE);
        link = program.attach(at.index, mode);
    }
    if link.as_ref().is_err_and(is_occupied) {
        return Err(AttachError::Occupied {
            interface: at.interface.clone(),
            by: String::new(),
        });
    }
    let link = link.and_then(|link| program.take_link(link));
    let link = link.map_err(|source| refused(at, source))?;
    keep(
        link.try_into().map_err(|_| refused(at, wrong_link()))?,
        pin_dir,
        at,
    )
}

fn attach_tcx(
    program: &mut SchedClassifier,
    pin_dir: &Path,
    at: &Attached,
) -> Result<(), AttachError> {
    let tcx = TcAttach::Tcx {
        attach_type: direction(at.hook),
        order: LinkOrder::default(),
    };
    let link = program.attach(at.index, tcx);
    let link = link.and_then(|link| program.take_link(link));
    let link = link.map_err(|source| refused(at, source))?;
    keep(
        link.try_into().map_err(|_| refused(at, wrong_link()))?,
        pin_dir,
        at,
    )
}

/// The side of the interface that a hook of TC is on.
pub(super) fn direction(hook: Hook) -> TcAttachType {
    match hook.role() {
        Role::Judge | Role::Steer | Role::Divert => TcAttachType::Ingress,
        Role::Learn => TcAttachType::Egress,
    }
}

/// Place of our filters among those of clsact, so that a successor can replace each. On the way from
/// XDP to TC one that steers and one that judges are at ingress together.
fn filter(hook: Hook) -> NlOptions {
    let minor = match hook.role() {
        Role::Judge | Role::Learn => 1,
        Role::Steer => 2,
        Role::Divert => 3,
    };
    NlOptions {
        priority: 0xe6e5,
        handle: TcHandle::new(0, minor),
        classid: None,
    }
}

/// Replaces the filter in place, so that no packet is missed.
fn replace_filter(program: &mut SchedClassifier, old: &Attached) -> Result<(), ProgramError> {
    let NlOptions {
        priority,
        handle,
        classid,
    } = filter(old.hook);
    let parent = direction(old.hook).into();
    let link = SchedClassifierLink::attached(old.index, parent, priority, handle, classid)?;
    let link = program.attach_to_link(link)?;
    // Dropping the link would remove the filter.
    std::mem::forget(program.take_link(link)?);
    Ok(())
}

fn add_filter(program: &mut SchedClassifier, at: &Attached) -> Result<(), ProgramError> {
    match tc::qdisc_add_clsact(at.index) {
        Ok(()) | Err(TcError::AlreadyAttached) => {}
        Err(TcError::NetlinkError(fault))
            if fault.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
        Err(fault) => return Err(fault.into()),
    }
    let parent = direction(at.hook).into();
    let options = filter(at.hook);
    let link = program.attach(at.index, TcAttach::Netlink { parent, options })?;
    // Dropping the link would remove the filter.
    std::mem::forget(program.take_link(link)?);
    Ok(())
}

/// A filter has no link to pin; the pinned program says that it is there.
fn mark(program: &mut SchedClassifier, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
    let path = pin(pin_dir, at);
    remove(&path)?;
    program.pin(&path).map_err(AttachError::pin("make", &path))
}

/// Removes our filter; one that is gone, with its interface or without, is no error.
pub(super) fn remove_filter(attached: &Attached) -> Result<(), AttachError> {
    let gone = |fault: &TcError| match fault {
        TcError::IoError(fault) => fault.kind() == std::io::ErrorKind::NotFound,
        TcError::NetlinkError(fault) => fault.raw_os_error().is_some_and(|code| {
            [Errno::NODEV, Errno::NOENT, Errno::INVAL]
                .map(Errno::raw_os_error)
                .contains(&code)
        }),
        _ => false,
    };
    // Which layer the device had is not known any more.
    for layer in [Layer::Ethernet, Layer::Ip] {
        let parent = direction(attached.hook).into();
        let program = name(attached.hook, layer);
        match tc::qdisc_detach_program(attached.index, parent, program) {
            Err(fault) if !gone(&fault) => return Err(refused(attached, fault.into())),
            _ => {}
        }
    }
    Ok(())
}

/// Puts a program on a pinned link. False where the link holds on to no interface any more; its pin is
/// removed then.
fn replace(
    pin_dir: &Path,
    old: &Attached,
    put: impl FnOnce(FdLink) -> Result<(), ProgramError>,
) -> Result<bool, AttachError> {
    let path = pin(pin_dir, old);
    let link = PinnedLink::from_pin(&path).map_err(AttachError::pin("read", &path))?;
    match put(link.into()) {
        Ok(()) => Ok(true),
        Err(fault) if is(&fault, Errno::NOLINK) => remove(&path).map(|()| false),
        Err(source) => Err(refused(old, source)),
    }
}

fn keep(link: FdLink, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
    let path = pin(pin_dir, at);
    link.pin(&path)
        .map(drop)
        .map_err(AttachError::pin("make", &path))
}

pub(super) fn refused(attached: &Attached, source: ProgramError) -> AttachError {
    AttachError::Refused {
        attached: attached.clone(),
        source,
    }
}

/// A link of another kind than the hook has.
fn wrong_link() -> ProgramError {
    ProgramError::IOError(std::io::Error::other(
        "the kernel made no link that can be pinned",
    ))
}

/// Whether another hook of the interface may take what this one refused: drivers refuse native XDP
/// for many reasons (large MTU, too few queues), old kernels TCX.
pub(super) fn may_fit_elsewhere(fault: &ProgramError) -> bool {
    let never = [Errno::PERM, Errno::ACCESS, Errno::NODEV];
    !never.into_iter().any(|errno| is(fault, errno))
}

fn is_occupied(fault: &ProgramError) -> bool {
    is(fault, Errno::BUSY) || is(fault, Errno::EXIST)
}

fn is(fault: &ProgramError, errno: Errno) -> bool {
    let ProgramError::SyscallError(fault) = fault else {
        return false;
    };
    fault.io_error.raw_os_error() == Some(errno.raw_os_error())
}
