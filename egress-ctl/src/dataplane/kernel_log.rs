//! What the kernel programs say, in a build that has them say it (feature `bpf-log`).
//!
//! In: the ring that the object's programs write to. Out: lines of the daemon's log, of the target `egress_ebpf`.
//!
//! The ring is pinned nowhere and belongs to no layout: it comes with an object, and goes with the last program that
//! writes to it. So a build without it takes over the maps of one with it, and the other way round, as any two builds
//! do: programs of another build are loaded anew over the same maps, and what enforces goes on meanwhile. A daemon that
//! takes over programs of its own build finds their ring by them, with all that was said while nobody read, up to
//! what the ring has room for; what is said beyond is lost, and counted where it always is. The kernel shows the rings
//! of programs to CAP_SYS_ADMIN alone: a daemon without it, as the systemd unit has it, loads its programs anew as if
//! they were another build's.
//!
//! [`Rings`] are kept for as long as programs may be loaded from their object, which knows them by their descriptors.

use std::{collections::BTreeMap, time::Duration};

use aya::{
    Ebpf,
    maps::{MapError, MapInfo},
    programs::{Program, ProgramError},
};
use aya_log::EbpfLogger;
use log::{Level, Log, Metadata, Record};
use tracing::{debug, error, info, trace, warn};

use super::running::Programs;

/// How aya-log calls the ring.
const RING: &str = "AYA_LOGS";

/// How often the rings are read: the daemon looks by itself, and no packet wakes it up.
pub(crate) const EVERY: Duration = Duration::from_millis(500);

/// Rings that are read.
#[derive(Default)]
pub(super) struct Rings(Vec<EbpfLogger<Lines>>);

impl Rings {
    /// Those of programs that run already; nothing where they cannot be read.
    pub(super) fn of_running(programs: &Programs) -> Option<Self> {
        let found = rings(programs);
        if let Err(fault) = &found {
            info!(
                "programs of this build run, and are loaded anew: what they say cannot be read ({fault})"
            );
        }
        found.ok()
    }

    /// Reads that of an object, too, whose programs are not loaded yet.
    pub(super) fn add_of(&mut self, object: &mut Ebpf) {
        match EbpfLogger::init_with_logger(object, Lines) {
            Ok(ring) => self.0.push(ring),
            Err(fault) => warn!("what kernel programs say is not read: {fault}"),
        }
    }

    /// Logs what was said since the last time.
    pub(super) fn tell(&mut self) {
        self.0.iter_mut().for_each(EbpfLogger::flush);
    }
}

/// Why the rings of programs cannot be read.
#[derive(Debug, thiserror::Error)]
enum RingError {
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error(transparent)]
    Map(#[from] MapError),
    #[error(transparent)]
    Reader(#[from] aya_log::Error),
}

fn rings(programs: &Programs) -> Result<Rings, RingError> {
    // Programs of one object share a ring, which must not be read twice.
    let mut programs_of = BTreeMap::new();
    for program in programs.values() {
        programs_of.extend(ring(program)?);
    }
    let open = |program| EbpfLogger::init_from_id_with_logger(program, Lines);
    let rings = programs_of.into_values().map(open);
    Ok(Rings(rings.collect::<Result<_, _>>()?))
}

/// The ring that a program writes to, by the kernel's numbers of both; nothing where it says nothing.
fn ring(program: &Program) -> Result<Option<(u32, u32)>, RingError> {
    let info = program.info()?;
    for map in info.map_ids()?.unwrap_or_default() {
        if MapInfo::from_id(map)?.name_as_str() == Some(RING) {
            return Ok(Some((map, info.id())));
        }
    }
    Ok(None)
}

/// Lines of the daemon's log. The target stands here, and is the one of every record: tracing wants it before.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // The programs fill their words up to one length.
        let said = record.args().to_string();
        let said = said.trim_end();
        match record.level() {
            Level::Error => error!(target: "egress_ebpf", "{said}"),
            Level::Warn => warn!(target: "egress_ebpf", "{said}"),
            Level::Info => info!(target: "egress_ebpf", "{said}"),
            Level::Debug => debug!(target: "egress_ebpf", "{said}"),
            Level::Trace => trace!(target: "egress_ebpf", "{said}"),
        }
    }

    fn flush(&self) {}
}
