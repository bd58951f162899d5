//! The two sides of an interface: XDP where packets of clients come in, TC where answers go out.

use std::{path::Path, thread, time::Duration};

use aya::programs::{
    ProgramError, SchedClassifier, TcAttachType, TcError, Xdp, XdpMode,
    links::{FdLink, LinkOrder, PinnedLink},
    tc::{self, NlOptions, SchedClassifierLink, TcAttach, TcHandle},
};
use rustix::io::Errno;

use super::{AttachError, pin, remove};
use crate::dataplane::hook::{Attached, Hook};

/// A program and the way it is attached.
pub(super) trait Side {
    /// Whether the interface has room for one hook at a time.
    fn is_exclusive(&self) -> bool;

    /// Puts the program in the place of its predecessor; false where that is gone with its interface.
    fn take_over(&mut self, pin_dir: &Path, old: &Attached) -> Result<bool, AttachError>;

    /// Attaches the program anew, and pins the link.
    fn attach(&mut self, pin_dir: &Path, at: &Attached) -> Result<(), AttachError>;
}

/// LAN ingress.
pub(super) struct Ingress<'a>(pub(super) &'a mut Xdp);

/// The kernel lets go of a link some time after its pin is removed.
const BUSY_ATTEMPTS: u32 = 50;
const BUSY_PAUSE: Duration = Duration::from_millis(10);

impl Side for Ingress<'_> {
    fn is_exclusive(&self) -> bool {
        true
    }

    fn take_over(&mut self, pin_dir: &Path, old: &Attached) -> Result<bool, AttachError> {
        replace(pin_dir, old, |link| {
            let link = link.try_into().map_err(|_| wrong_link())?;
            self.0.attach_to_link(link).map(drop)
        })
    }

    fn attach(&mut self, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
        let mode = match at.hook {
            Hook::XdpNative => XdpMode::Driver,
            _ => XdpMode::Skb,
        };
        let mut link = self.0.attach(at.index, mode);
        for _ in 0..BUSY_ATTEMPTS {
            if !link.as_ref().is_err_and(is_occupied) {
                break;
            }
            thread::sleep(BUSY_PAUSE);
            link = self.0.attach(at.index, mode);
        }
        if link.as_ref().is_err_and(is_occupied) {
            return Err(AttachError::Occupied(at.interface.clone()));
        }
        let link = link.and_then(|link| self.0.take_link(link));
        let link = link.map_err(|source| refused(at, source))?;
        keep(
            link.try_into().map_err(|_| refused(at, wrong_link()))?,
            pin_dir,
            at,
        )
    }
}

/// LAN egress.
pub(super) struct Egress<'a>(pub(super) &'a mut SchedClassifier);

impl Side for Egress<'_> {
    fn is_exclusive(&self) -> bool {
        false
    }

    fn take_over(&mut self, pin_dir: &Path, old: &Attached) -> Result<bool, AttachError> {
        if old.hook == Hook::Clsact {
            let taken = self.replace_filter(old.index).is_ok();
            if taken {
                self.mark(pin_dir, old)?;
            }
            return Ok(taken);
        }
        replace(pin_dir, old, |link| {
            let link = link.try_into().map_err(|_| wrong_link())?;
            self.0.attach_to_link(link).map(drop)
        })
    }

    fn attach(&mut self, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
        if at.hook == Hook::Clsact {
            self.add_filter(at.index)
                .map_err(|source| refused(at, source))?;
            return self.mark(pin_dir, at);
        }
        let tcx = TcAttach::Tcx {
            attach_type: TcAttachType::Egress,
            order: LinkOrder::default(),
        };
        let link = self.0.attach(at.index, tcx);
        let link = link.and_then(|link| self.0.take_link(link));
        let link = link.map_err(|source| refused(at, source))?;
        keep(
            link.try_into().map_err(|_| refused(at, wrong_link()))?,
            pin_dir,
            at,
        )
    }
}

/// Place of our filter among those of clsact, so that its successor can replace it.
const FILTER: NlOptions = NlOptions {
    priority: 0xe6e5,
    handle: TcHandle::new(0, 1),
    classid: None,
};

impl Egress<'_> {
    /// Replaces the filter in place, so that no answer is missed.
    fn replace_filter(&mut self, index: u32) -> Result<(), ProgramError> {
        let NlOptions {
            priority,
            handle,
            classid,
        } = FILTER;
        let parent = TcAttachType::Egress.into();
        let old = SchedClassifierLink::attached(index, parent, priority, handle, classid)?;
        let link = self.0.attach_to_link(old)?;
        // Dropping the link would remove the filter.
        std::mem::forget(self.0.take_link(link)?);
        Ok(())
    }

    fn add_filter(&mut self, index: u32) -> Result<(), ProgramError> {
        match tc::qdisc_add_clsact(index) {
            Ok(()) | Err(TcError::AlreadyAttached) => {}
            Err(TcError::NetlinkError(fault))
                if fault.raw_os_error() == Some(Errno::EXIST.raw_os_error()) => {}
            Err(fault) => return Err(fault.into()),
        }
        let parent = TcAttachType::Egress.into();
        let options = FILTER;
        let link = self
            .0
            .attach(index, TcAttach::Netlink { parent, options })?;
        // Dropping the link would remove the filter.
        std::mem::forget(self.0.take_link(link)?);
        Ok(())
    }

    /// A filter has no link to pin; the pinned program says that it is there.
    fn mark(&mut self, pin_dir: &Path, at: &Attached) -> Result<(), AttachError> {
        let path = pin(pin_dir, at);
        remove(&path)?;
        self.0.pin(&path).map_err(AttachError::pin("make", &path))
    }
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
    let parent = TcAttachType::Egress.into();
    match tc::qdisc_detach_program(attached.index, parent, super::super::load::EGRESS) {
        Err(fault) if !gone(&fault) => Err(refused(attached, fault.into())),
        _ => Ok(()),
    }
}

/// Puts a program on a pinned link. False where the interface of the link is gone; its pin then too.
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

fn refused(attached: &Attached, source: ProgramError) -> AttachError {
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
