//! Everything that a boot takes, ready: kernels by name in, runs and shells out.

use std::{
    num::NonZero,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
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
    run::{Machine, Run},
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
            guests.extend(Share::among(tests.guests).map(|share| Booted {
                kernel,
                place: Arc::clone(&place),
                share,
            }));
        }
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        let next = AtomicUsize::new(0);
        let runs = guests.iter().map(|_| Mutex::new(None));
        let runs: Vec<Mutex<Option<Result<Run>>>> = runs.collect();
        thread::scope(|scope| {
            for _ in 0..at_once.min(guests.len()) {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let (Some(guest), Some(run)) = (guests.get(number), runs.get(number))
                        else {
                            return;
                        };
                        let ended = self.boot(guest, limit);
                        *run.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
                    }
                });
            }
        });
        let ended = runs
            .into_iter()
            .filter_map(|run| run.into_inner().unwrap_or_else(PoisonError::into_inner));
        ended.collect()
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
        self.folder.join(format!("console-{}", share.number()))
    }
}

/// A guest that runs its share of the tests.
struct Booted<'a> {
    kernel: &'a Kernel,
    place: Arc<Place>,
    share: Share,
}
