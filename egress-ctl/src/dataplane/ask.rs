//! The program that answers what would become of a packet, without a trace.
//!
//! It is pinned as `programs/lan_ask` by the daemon that attaches its siblings, so that commands ask the
//! very object in force, with or without the daemon.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    pin::PinError,
    programs::{ProgramError, TestRun as _, TestRunOptions, Xdp},
};
use aya_obj::programs::XdpAttachType;
use egress_common::verdict::Verdict;

use super::{
    load::{ASK, LoadError, Loaded, TEACH},
    running,
};

/// Folder of programs below the pin directory.
pub(super) const PROGRAMS: &str = "programs";

/// Why the kernel does not answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nothing is pinned there.
    #[error("nothing answers: there is no {}; restart the daemon, which pins it", .0.display())]
    NotPinned(PathBuf),
    /// The pin cannot be used.
    #[error("cannot use the program {} (asking it needs root)", .path.display())]
    Denied {
        /// The pin.
        path: PathBuf,
        /// Why.
        source: ProgramError,
    },
    /// The kernel did not run the program for a frame.
    #[error(
        "the kernel does not run `lan_ask` for a packet from interface {interface} (BPF_PROG_TEST_RUN)"
    )]
    TestRun {
        /// Index of the interface that was asked for; 0 for none.
        interface: u32,
        /// Why.
        source: ProgramError,
    },
    /// The program cannot be pinned.
    #[error("cannot pin {}", .path.display())]
    Pin {
        /// Where.
        path: PathBuf,
        /// Why.
        source: PinFault,
    },
    /// The object does not hold the program.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Why a pin could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PinFault {
    /// The kernel refused.
    #[error(transparent)]
    Kernel(#[from] PinError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] io::Error),
}

/// The program, to be asked.
pub struct Asked(Xdp);

impl Asked {
    /// The program that is pinned.
    ///
    /// # Errors
    /// There is none, or it cannot be used.
    pub fn pinned(pin_dir: &Path) -> Result<Self, AskError> {
        let path = pin_dir.join(PROGRAMS).join(ASK);
        if matches!(path.try_exists(), Ok(false)) {
            return Err(AskError::NotPinned(path));
        }
        match Xdp::from_pin(&path, XdpAttachType::Interface) {
            Ok(program) => Ok(Self(program)),
            Err(source) => Err(AskError::Denied { path, source }),
        }
    }

    /// What would become of a frame that comes in by an interface of this network namespace; 0 where the
    /// interface does not matter.
    ///
    /// # Errors
    /// The kernel does not run the program, or there is no such interface.
    pub fn ask(&self, frame: &[u8], interface: u32) -> Result<Verdict, AskError> {
        ask(&self.0, frame, interface)
    }
}

/// What a program makes of a frame.
pub(super) fn ask(program: &Xdp, frame: &[u8], interface: u32) -> Result<Verdict, AskError> {
    // struct xdp_md (linux/bpf.h): data, data_end, data_meta, ingress_ifindex, rx_queue_index,
    // egress_ifindex.
    let context = [0, frame.len() as u32, 0, interface, 0, 0].map(u32::to_ne_bytes);
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    if interface != 0 {
        options.ctx_in = Some(context.as_flattened());
    }
    match program.test_run(options) {
        Ok(told) => Ok(Verdict::from_code(told.return_value)),
        Err(source) => Err(AskError::TestRun { interface, source }),
    }
}

/// Pins the program of an object that is in force, in place of the one of the object before.
///
/// # Errors
/// The pin cannot be made; the one before stays.
pub fn pin(loaded: &mut Loaded, pin_dir: &Path) -> Result<(), AskError> {
    let program = loaded.asked()?;
    put(pin_dir, ASK, |path| program.pin(path))
}

/// Makes the pin of a program, in place of the one before.
pub(super) fn put(
    pin_dir: &Path,
    name: &str,
    pin: impl FnOnce(&Path) -> Result<(), PinError>,
) -> Result<(), AskError> {
    let folder = pin_dir.join(PROGRAMS);
    let (new, path) = (folder.join("next"), folder.join(name));
    let fault = |source: PinFault| AskError::Pin {
        path: path.clone(),
        source,
    };
    fs::create_dir_all(&folder).map_err(|source| fault(source.into()))?;
    remove(&new).map_err(|source| fault(source.into()))?;
    pin(&new).map_err(|source| fault(source.into()))?;
    fs::rename(&new, &path).map_err(|source| fault(source.into()))
}

/// Removes the pins of programs and their folder.
///
/// # Errors
/// They cannot be removed.
pub fn unpin(pin_dir: &Path) -> io::Result<()> {
    running::forget(pin_dir)?;
    let folder = pin_dir.join(PROGRAMS);
    for name in ["next", ASK, TEACH] {
        remove(&folder.join(name))?;
    }
    match fs::remove_dir(folder) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

/// Removes a pin, if it is there.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}
