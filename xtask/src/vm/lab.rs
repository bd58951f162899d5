//! Everything that a boot takes, ready: kernels by name in, runs and shells out.

use std::{
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
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
    /// Boots every kernel and runs the tests on it.
    pub(crate) fn run(&self, tests: &Tests, limit: Duration) -> Result<Vec<Run>> {
        let runs = self.kernels.iter().map(|kernel| {
            let place = self.place(kernel, &Purpose::Tests(tests))?;
            let image = kernel.image()?;
            let command = |console: &Path| {
                self.qemu.boot(&Boot {
                    kernel: &image,
                    initramfs: &place.initramfs,
                    serial: Serial::Tests { console },
                })
            };
            let machine = Machine {
                kernel: kernel.line.name,
                console: place.console.clone(),
                command: &command,
                limit,
            };
            machine.run()
        });
        runs.collect()
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
            console: folder.join("console"),
        };
        initramfs::write(&place.initramfs, &self.guest, kernel, purpose)?;
        Ok(place)
    }
}

/// Files of one boot.
struct Place {
    initramfs: PathBuf,
    console: PathBuf,
}
