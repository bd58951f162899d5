//! Everything that a boot takes, ready: kernels by name in, runs and shells out.

use std::{
    iter,
    num::NonZero,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    folder::Folder,
    guest::Guest,
    initramfs::{self, Purpose},
    kernel::{Fetch, Kernel, Line},
    leash::Leash,
    pin::Pins,
    plan::Tests,
    qemu::{Boot, Qemu, Serial},
    run::{Machine, Run, START_LIMIT},
    share::Share,
};
use crate::checkout::Checkout;

/// Kernels, QEMU and the guest's binaries.
pub(crate) struct VmLab {
    folder: Folder,
    qemu: Qemu,
    kernels: Vec<Kernel>,
    guest: Guest,
}

/// What a [`VmLab`] is fetched with.
pub(crate) struct Fetched {
    folder: Folder,
    qemu: Qemu,
    kernels: Vec<Kernel>,
}

impl Fetched {
    /// Fetches what the cache does not have.
    pub(crate) fn obtain(checkout: &Checkout, lines: &[Line], fetch: Fetch) -> Result<Self> {
        let folder = Folder::open(checkout)?;
        let qemu = Qemu::obtain(&folder, fetch == Fetch::Never)?;
        let mut pins = Pins::read(checkout)?;
        let kernels = lines
            .iter()
            .map(|line| line.obtain(&folder, &mut pins, fetch));
        Ok(Self {
            kernels: kernels.collect::<Result<_>>()?,
            folder,
            qemu,
        })
    }

    /// Builds what runs inside.
    pub(crate) fn build(self, checkout: &Checkout, fetch: Fetch) -> Result<VmLab> {
        Ok(VmLab {
            guest: Guest::build(checkout, fetch == Fetch::Never)?,
            folder: self.folder,
            qemu: self.qemu,
            kernels: self.kernels,
        })
    }
}

impl VmLab {
    /// Runs the tests on every kernel, in as many guests at once as there are CPUs.
    pub(crate) fn run(&self, tests: &Tests, limit: Duration) -> Result<Vec<Run>> {
        let mut guests = Vec::new();
        for kernel in &self.kernels {
            let place = Arc::new(self.place(kernel, &Purpose::Tests(tests))?);
            guests.extend((0..tests.guests).map(|number| Booted {
                kernel,
                place: Arc::clone(&place),
                share: Share {
                    number,
                    of: tests.guests,
                },
            }));
        }
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        let next = Mutex::new(guests.iter().enumerate());
        let take = || next.lock().ok()?.next();
        let work = || -> Vec<(usize, Result<Run>)> {
            iter::from_fn(take)
                .map(|(number, guest)| (number, self.boot(guest, limit)))
                .collect()
        };
        let mut runs: Vec<_> = thread::scope(|scope| {
            let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(ScopedJoinHandle::join);
            ended
                .flat_map(|runs| runs.unwrap_or_else(|panic| resume_unwind(panic)))
                .collect()
        });
        runs.sort_by_key(|(number, _)| *number);
        runs.into_iter().map(|(_, run)| run).collect()
    }

    fn boot(&self, guest: &Booted<'_>, limit: Duration) -> Result<Run> {
        let image = guest.kernel.image()?;
        let command = |console: &Path| {
            self.qemu.boot(&Boot {
                kernel: &image,
                initramfs: &guest.place.initramfs,
                serial: Serial::Tests {
                    console,
                    share: guest.share,
                },
            })
        };
        let machine = Machine {
            kernel: guest.kernel.line.name,
            console: guest.place.console(guest.share),
            command: &command,
            start_limit: START_LIMIT,
            limit,
        };
        machine.run()
    }

    /// Boots the first kernel with the console on this terminal, until its user leaves.
    pub(crate) fn shell(&self) -> Result<ExitStatus> {
        let kernel = self.kernels.first().context("no kernel was asked for")?;
        let place = self.place(kernel, &Purpose::Shell)?;
        let image = kernel.image()?;
        let mut command = self.qemu.boot(&Boot {
            kernel: &image,
            initramfs: &place.initramfs,
            serial: Serial::Terminal,
        });
        let mut qemu = Leash::start(command.stdin(Stdio::inherit()))?;
        Ok(qemu.0.wait()?)
    }

    fn place(&self, kernel: &Kernel, purpose: &Purpose<'_>) -> Result<Place> {
        let folder = self.folder.fresh(&format!("run/{}", kernel.line.name))?;
        let place = Place {
            initramfs: folder.join("initramfs"),
            folder,
        };
        initramfs::write(&place.initramfs, &self.guest, kernel, purpose)?;
        Ok(place)
    }
}

/// Files of the guests of one kernel.
struct Place {
    folder: PathBuf,
    initramfs: PathBuf,
}

impl Place {
    fn console(&self, share: Share) -> PathBuf {
        self.folder.join(format!("console-{}", share.number))
    }
}

/// A guest that runs its share of the tests.
struct Booted<'a> {
    kernel: &'a Kernel,
    place: Arc<Place>,
    share: Share,
}
