//! Maps and programs that earlier tests loaded, for the next one: an emulated machine verifies programs for
//! seconds, and what is tested is seldom that.
//!
//! In: a folder on a BPF file system that outlives the tests, named by `EGRESS_WARM`; without it nothing is lent.
//! Out: pins in a host, as a daemon leaves them that was killed before anything was in force. What a host uses
//! nobody else does meanwhile; programs that it loads besides are there for the next one.

use std::env;
use std::fs::{self, read_dir};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use aya::maps::MapData;
use aya::programs::{ProgramInfo, SchedClassifier, Xdp};
use aya_obj::programs::XdpAttachType;
use egress_ctl::dataplane::load::load;
use egress_ctl::dataplane::maps::Pinned;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;

use crate::anew;
use crate::namespace::Namespaces;
use crate::pins::PIN_DIR;

/// Names the folder.
const VARIABLE: &str = "EGRESS_WARM";
/// Pins of programs that run, in a pin directory; others there are asked or attached.
const PROGRAMS: &str = "programs";

/// What a host was lent.
#[derive(Debug)]
pub(crate) struct Loan {
    shelf: PathBuf,
    borrower: Arc<Namespaces>,
    _lock: OwnedFd,
}

impl Loan {
    /// Pins maps and programs in a host where a daemon looks for them, unless it has pins already.
    pub(crate) fn take(borrower: &Arc<Namespaces>) -> Result<Option<Self>> {
        let Some(folder) = env::var_os(VARIABLE) else {
            return Ok(None);
        };
        let (shelf, lock) = free(Path::new(&folder))?;
        if maps(&shelf)?.is_empty() {
            load(&shelf).context("cannot make the maps to be lent")?;
        }
        anew::bare(Pinned(&shelf)).context("cannot empty the maps to be lent")?;
        let (maps, programs) = (maps(&shelf)?, programs(&shelf)?);
        borrower.inside(|| put(Path::new(PIN_DIR), &maps, programs))??;
        Ok(Some(Self {
            shelf,
            borrower: Arc::clone(borrower),
            _lock: lock,
        }))
    }

    /// Keeps the programs that were loaded since for the next host.
    pub(crate) fn collect(&self) -> Result<()> {
        let own = maps(&self.shelf)?;
        let own = numbers(&own)?;
        let loaded = self.borrower.inside(|| {
            let at = Path::new(PIN_DIR);
            // Programs with other maps would count into these.
            if !at.is_dir() || numbers(&maps(at)?)? != own {
                return Ok(Vec::new());
            }
            programs(at)
        })??;
        put(&self.shelf, &[], loaded)
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // What is not collected is loaded again.
        let _ = self.collect();
        // What is attached must not go on with maps that are another host's.
        let _ = self
            .borrower
            .inside(|| fs::remove_dir_all(Path::new(PIN_DIR).join("links")));
    }
}

/// A map or a program, and its name in a pin directory.
type Named<T> = (String, T);

/// The first shelf that nobody uses; it is locked.
fn free(folder: &Path) -> Result<(PathBuf, OwnedFd)> {
    let mut number = 0_u32;
    loop {
        let shelf = folder.join(number.to_string());
        fs::create_dir_all(&shelf).with_context(|| format!("cannot make {}", shelf.display()))?;
        let lock = open(&shelf, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok((shelf, lock)),
            Err(Errno::WOULDBLOCK) => number += 1,
            Err(fault) => return Err(fault.into()),
        }
    }
}

fn maps(pin_dir: &Path) -> Result<Vec<Named<MapData>>> {
    files(pin_dir)?
        .into_iter()
        .map(|(name, path)| Ok((name, MapData::from_pin(path)?)))
        .collect()
}

/// The kernel's numbers of maps, by name.
fn numbers(maps: &[Named<MapData>]) -> Result<Vec<(&str, u32)>> {
    maps.iter()
        .map(|(name, map)| Ok((name.as_str(), map.info()?.id())))
        .collect()
}

enum Program {
    Xdp(Xdp),
    Tc(SchedClassifier),
}

fn programs(pin_dir: &Path) -> Result<Vec<Named<Program>>> {
    let folder = pin_dir.join(PROGRAMS);
    // A name without a number is that of what is asked, which a daemon pins itself.
    let files = files(&folder)?.into_iter();
    let running = files.filter(|(name, _)| name.contains(':'));
    running
        .map(|(name, path)| Ok((name, open_program(&path)?)))
        .collect()
}

fn open_program(path: &Path) -> Result<Program> {
    let kind = ProgramInfo::from_pin(path)?.program_type();
    Ok(if kind == Xdp::PROGRAM_TYPE.into() {
        Program::Xdp(Xdp::from_pin(path, XdpAttachType::Interface)?)
    } else {
        Program::Tc(SchedClassifier::from_pin(path)?)
    })
}

/// Files of a folder by name, in order.
fn files(folder: &Path) -> Result<Vec<Named<PathBuf>>> {
    let entries = match read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.push((
                entry.file_name().to_string_lossy().into_owned(),
                entry.path(),
            ));
        }
    }
    files.sort();
    Ok(files)
}

/// Pins what is not pinned in a pin directory yet.
fn put(pin_dir: &Path, maps: &[Named<MapData>], programs: Vec<Named<Program>>) -> Result<()> {
    let folder = pin_dir.join(PROGRAMS);
    fs::create_dir_all(&folder)?;
    for (name, map) in maps {
        let at = pin_dir.join(name);
        if !at.exists() {
            map.pin(at)?;
        }
    }
    for (name, program) in programs {
        let at = folder.join(name);
        if at.exists() {
            continue;
        }
        match program {
            Program::Xdp(mut program) => program.pin(at)?,
            Program::Tc(mut program) => program.pin(at)?,
        }
    }
    Ok(())
}
