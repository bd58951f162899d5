//! Anonymous namespaces: in goes the `resolv.conf` of a host, out come the two descriptors that
//! alone keep its network and its mounts alive.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::resume_unwind;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result};
use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace and a mount namespace without a name.
#[derive(Debug)]
pub(crate) struct Namespaces {
    net: OwnedFd,
    mounts: OwnedFd,
}

impl Namespaces {
    /// Makes both on a thread of their own, which ends here: what holds them is the descriptors.
    pub(crate) fn new(resolv_conf: &Path) -> Result<Self> {
        thread::scope(|scope| scope.spawn(|| Self::unshare(resolv_conf)).join())
            .expect("the thread that makes namespaces does not panic")
    }

    /// Those of this process.
    pub(crate) fn own() -> Result<Self> {
        Ok(Self {
            net: open_namespace("net")?,
            mounts: open_namespace("mnt")?,
        })
    }

    /// Moves the calling thread into the network namespace, and only there.
    pub(crate) fn enter_net(&self) -> io::Result<()> {
        move_into_link_name_space(self.net.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// Moves the calling process, which must have one thread, into both.
    pub(crate) fn enter(&self) -> io::Result<()> {
        self.enter_net()?;
        move_into_link_name_space(self.mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        Ok(())
    }

    /// Moves the calling thread into both; its folders and mounts are its own from then on.
    fn enter_thread(&self) -> io::Result<()> {
        // SAFETY: the descriptor table stays shared: `UnshareFlags::FILES` is not asked for.
        unsafe { unshare_unsafe(UnshareFlags::FS) }?;
        self.enter()
    }

    /// Runs a closure on a thread inside both.
    pub(crate) fn inside<T: Send>(&self, closure: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| self.enter_thread().map(|()| closure()));
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// The network namespace, for netlink messages that name it.
    pub(crate) fn net(&self) -> &OwnedFd {
        &self.net
    }

    fn unshare(resolv_conf: &Path) -> Result<Self> {
        // SAFETY: the descriptor table stays shared: `UnshareFlags::FILES` is not asked for.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
            .context("cannot make namespaces: the lab needs root")?;
        mount_inside(resolv_conf)?;
        Ok(Self {
            net: open_namespace("net")?,
            mounts: open_namespace("mnt")?,
        })
    }
}

/// Gives the new mount namespace what belongs to the new network, invisible to the machine.
fn mount_inside(resolv_conf: &Path) -> Result<()> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).context("cannot make the mounts private")?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("sysfs", "/sys", "sysfs", flags, None).context("cannot mount /sys")?;
    mount("bpffs", "/sys/fs/bpf", "bpf", flags, None).context("cannot mount /sys/fs/bpf")?;
    mount_bind(resolv_conf, "/etc/resolv.conf").context("cannot mount /etc/resolv.conf")
}

fn open_namespace(kind: &str) -> Result<OwnedFd> {
    let path = format!("/proc/thread-self/ns/{kind}");
    open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("cannot open {path}"))
}
