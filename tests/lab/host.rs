//! A host of the lab: a network and mounts of its own, in which commands and closures run.
//!
//! Nothing of it is visible on the machine (no name in `/run/netns`, no mount), and it ends with
//! its last descriptor and process, however the lab's own process ended.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal, setsid};

use crate::namespace::Namespaces;
use crate::warm::Loan;

/// How long the processes of a lab live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// They die with the process that started them, even if that one is killed.
    Bound,
    /// They outlive it, for `--keep`.
    Kept,
}

/// A network host; clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    name: &'static str,
    life: Life,
    namespaces: Arc<Namespaces>,
    loan: Arc<OnceLock<Option<Loan>>>,
}

impl Host {
    /// A host with loopback down and no links, whose `/etc/resolv.conf` is the file given.
    pub fn new(name: &'static str, resolv_conf: &Path, life: Life) -> Result<Self> {
        let namespaces = Namespaces::new(resolv_conf).with_context(|| format!("host {name}"))?;
        Ok(Self {
            name,
            life,
            namespaces: Arc::new(namespaces),
            loan: Arc::default(),
        })
    }

    /// This machine itself, with all that is on it.
    pub(crate) fn this(name: &'static str, life: Life) -> Result<Self> {
        Ok(Self {
            name,
            life,
            namespaces: Arc::new(Namespaces::own()?),
            loan: Arc::default(),
        })
    }

    /// What the host is called in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How long this host's processes live.
    pub fn life(&self) -> Life {
        self.life
    }

    /// A command that will run inside the host, in a session of its own.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let namespaces = Arc::clone(&self.namespaces);
        let (life, parent) = (self.life, getpid());
        // SAFETY: between fork and exec only system calls are made; nothing allocates or locks.
        unsafe { command.pre_exec(move || prepare(&namespaces, life, parent)) };
        command
    }

    /// Pins maps and programs that an earlier test loaded, where there are any to be had; once is enough.
    pub(crate) fn borrow(&self) -> Result<()> {
        if self.loan.get().is_none() {
            let loan = Loan::take(&self.namespaces).context("no programs can be lent")?;
            self.loan.get_or_init(|| loan);
        }
        Ok(())
    }

    /// Has the host begin with nothing loaded, for a test that is about that.
    pub fn borrow_nothing(&self) {
        self.loan.get_or_init(|| None);
    }

    /// Leaves programs that were loaded since to the next test.
    pub(crate) fn leave(&self) -> Result<()> {
        match self.loan.get() {
            Some(Some(loan)) => loan.collect(),
            _ => Ok(()),
        }
    }

    /// Runs a closure on a thread inside the host's network; the sockets it makes stay there.
    pub fn run<T: Send>(&self, closure: impl FnOnce() -> T + Send) -> Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| self.namespaces.enter_net().map(|()| closure()));
            inside.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
        .with_context(|| format!("cannot enter host {}", self.name))
    }

    /// Runs a closure on a thread inside the host's network and mounts.
    pub fn run_mounted<T: Send>(&self, closure: impl FnOnce() -> T + Send) -> Result<T> {
        self.namespaces
            .inside(closure)
            .with_context(|| format!("cannot enter host {}", self.name))
    }

    /// Starts a thread inside the host's network that may outlive the call.
    pub fn thread<T: Send + 'static>(
        &self,
        closure: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<io::Result<T>> {
        let namespaces = Arc::clone(&self.namespaces);
        thread::spawn(move || namespaces.enter_net().map(|()| closure()))
    }

    /// Writes kernel settings of this host's network, such as `ipv4/ip_forward`.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<()> {
        self.run(|| {
            for (key, value) in settings {
                let path = format!("/proc/sys/net/{key}");
                fs::write(&path, value).with_context(|| format!("cannot write {path}"))?;
            }
            Ok(())
        })?
    }

    /// The network namespace, for netlink messages that name it.
    pub(crate) fn net(&self) -> &OwnedFd {
        self.namespaces.net()
    }
}

/// What a child does before it becomes the program: systems calls only.
fn prepare(namespaces: &Namespaces, life: Life, parent: Pid) -> io::Result<()> {
    setsid()?;
    if life == Life::Bound {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() != Some(parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
    }
    namespaces.enter()
}
