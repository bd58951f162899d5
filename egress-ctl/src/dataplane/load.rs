//! Loads maps and programs: maps that are pinned already are taken over with all they hold, programs that run
//! already where they are of this very build, and a program is loaded when it is first needed.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::MapError,
    programs::{self, ProgramError, SchedClassifier, TestRun as _, TestRunOptions, Xdp},
};
use egress_common::verdict::Verdict;
use rustix::fs::statfs;
use uuid::Uuid;

use super::{
    ask::{AskError, ask},
    hook::{Hook, LINKS},
    interface::Layer,
    kernel_log::Rings,
    layout::{self, LayoutError},
    maps::{Pinned, PinnedError},
    running::{self, Build, KeepError, Programs},
};

/// The kernel object, built with this binary.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/egress"));

/// Name of the program at LAN ingress.
pub const INGRESS: &str = "lan_ingress";
/// Name of the program that answers what LAN ingress would do.
pub const ASK: &str = "lan_ask";

/// Name of the program of a hook, on a device of this layer.
pub(super) fn name(hook: Hook, layer: Layer) -> &'static str {
    match (hook, layer) {
        (Hook::XdpNative, _) => INGRESS,
        (Hook::XdpGeneric, _) => "lan_ingress_generic",
        (Hook::TcxIngress | Hook::ClsactIngress, Layer::Ip) => "lan_ingress_ip",
        (Hook::TcxIngress | Hook::ClsactIngress, _) => "lan_ingress_tc",
        (Hook::TcxSteer | Hook::ClsactSteer, _) => "lan_steer",
        (Hook::TcxDivert | Hook::ClsactDivert, Layer::Ip) => "lan_divert_ip",
        (Hook::TcxDivert | Hook::ClsactDivert, _) => DIVERT,
        (Hook::Tcx | Hook::Clsact, Layer::Ip) => "lan_egress_ip",
        (Hook::Tcx | Hook::Clsact, _) => EGRESS,
    }
}
/// Name of the program at LAN egress of devices with an Ethernet header.
const EGRESS: &str = "lan_egress";
/// Name of the program that brings DNS over TCP to the proxy, on devices with an Ethernet header.
const DIVERT: &str = "lan_divert";
/// Name of the program that learns from what the proxy relays.
pub const TEACH: &str = "lan_teach";

/// Why nothing was loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The pin directory cannot be made.
    #[error("cannot make the pin directory {path}")]
    PinDir {
        /// The directory.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The pin directory is on another file system.
    #[error(
        "{0} is not on a BPF file system: run `mount -t bpf bpf /sys/fs/bpf`, or choose another --pin-dir"
    )]
    NotBpffs(String),
    /// The kernel refused a map or the object.
    #[error("cannot load the kernel object")]
    Object {
        /// Why.
        source: EbpfError,
    },
    /// The kernel refused a program.
    #[error("the kernel refuses the program `{name}`")]
    Program {
        /// Which.
        name: &'static str,
        /// Why.
        source: ProgramError,
    },
    /// A map that was just made is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused the seed.
    #[error("cannot write what names are hashed with")]
    Seed {
        /// Why.
        source: MapError,
    },
    /// Which layout the maps have is not noted.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The kernel did not run a program for a frame.
    #[error("the kernel does not run a program by itself (BPF_PROG_TEST_RUN)")]
    TestRun {
        /// Why.
        source: ProgramError,
    },
    /// The object does not hold a program: a fault of the build.
    #[error("the kernel object holds no program `{0}`")]
    Missing(&'static str),
    /// Another map is pinned than the programs use that were taken over, or none.
    #[error(
        "the maps that the running programs use are not pinned in {0} any more: start the daemon again, which begins anew"
    )]
    Unpinned(String),
}

impl LoadError {
    /// Whether a map is pinned that has another layout than the one of this version.
    pub fn is_other_layout(&self) -> bool {
        matches!(
            self,
            Self::Object {
                source: EbpfError::MapError(MapError::IncompatiblePinnedMap { .. })
            }
        )
    }
}

/// Maps and programs in the kernel, and programs that go there when they are first asked for.
pub struct Loaded {
    pin_dir: PathBuf,
    /// What programs are made from.
    build: Option<Build>,
    /// Those that ran already.
    running: Programs,
    /// The object; where programs ran already, only once another one is asked for.
    object: Option<Ebpf>,
    /// What programs say.
    log: Rings,
}

/// Takes over what runs, where it is what this build would load; else loads the maps, which are pinned in
/// `pin_dir`.
///
/// # Errors
/// What could not be loaded. Nothing that enforces is touched.
pub fn take_over(pin_dir: &Path) -> Result<Loaded, LoadError> {
    prepare(pin_dir)?;
    let found = Build::of(pin_dir).map(|build| (running::find(pin_dir, &build), build));
    if let Some((programs, build)) = found
        && !programs.is_empty()
        && let Some(log) = Rings::of_running(&programs)
    {
        return Ok(Loaded {
            pin_dir: pin_dir.to_owned(),
            build: Some(build),
            running: programs,
            object: None,
            log,
        });
    }
    load(pin_dir)
}

/// Loads the maps; they are pinned in `pin_dir`.
///
/// # Errors
/// What could not be loaded. Nothing that enforces is touched.
pub fn load(pin_dir: &Path) -> Result<Loaded, LoadError> {
    prepare(pin_dir)?;
    let mut log = Rings::default();
    let object = object(pin_dir, &mut log)?;
    seed(Pinned(pin_dir))?;
    layout::note(Pinned(pin_dir))?;
    Ok(Loaded {
        pin_dir: pin_dir.to_owned(),
        build: Build::of(pin_dir),
        running: Programs::default(),
        object: Some(object),
        log,
    })
}

fn object(pin_dir: &Path, log: &mut Rings) -> Result<Ebpf, LoadError> {
    let mut object = EbpfLoader::new()
        .default_map_pin_directory(pin_dir)
        .load(OBJECT)
        .map_err(|source| LoadError::Object { source })?;
    log.add_of(&mut object);
    Ok(object)
}

/// Gives new maps what they hash names with; nobody gets to know it.
fn seed(pinned: Pinned<'_>) -> Result<(), LoadError> {
    let mut map = pinned.seed()?;
    let refused = |source| LoadError::Seed { source };
    if map.get(&0, 0).map_err(refused)? != 0 {
        return Ok(());
    }
    let (seed, _) = Uuid::new_v4().as_u64_pair();
    map.set(0, &seed, 0).map_err(refused)
}

/// Makes the pin directory, which must be on a BPF file system.
///
/// # Errors
/// It is not, or it cannot be made.
pub fn prepare(pin_dir: &Path) -> Result<(), LoadError> {
    check_bpffs(pin_dir)?;
    fs::create_dir_all(pin_dir.join(LINKS)).map_err(|source| LoadError::PinDir {
        path: pin_dir.display().to_string(),
        source,
    })
}

/// Checks that a folder, or the one that it is to be made in, is on a BPF file system.
///
/// # Errors
/// It is not.
pub fn check_bpffs(pin_dir: &Path) -> Result<(), LoadError> {
    // BPF_FS_MAGIC, linux/magic.h.
    const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

    let parent = pin_dir.ancestors().find(|dir| dir.is_dir());
    let magic = parent
        .and_then(|dir| statfs(dir).ok())
        .map(|fs| fs.f_type as u64);
    if magic.is_some_and(|magic| magic & 0xffff_ffff == BPF_FS_MAGIC) {
        return Ok(());
    }
    Err(LoadError::NotBpffs(pin_dir.display().to_string()))
}

/// A program that is in the kernel.
pub(super) enum Program<'a> {
    /// For the hooks of XDP.
    Xdp(&'a mut Xdp),
    /// For those of TC.
    Tc(&'a mut SchedClassifier),
}

impl Program<'_> {
    /// The kernel's number of it.
    pub(super) fn id(&self) -> Option<u32> {
        let info = match self {
            Self::Xdp(program) => program.info(),
            Self::Tc(program) => program.info(),
        };
        Some(info.ok()?.id())
    }
}

impl Loaded {
    /// The program of a hook on a device of this layer; it is loaded now if it was not yet.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub(super) fn program(&mut self, hook: Hook, layer: Layer) -> Result<Program<'_>, LoadError> {
        let name = name(hook, layer);
        if hook.is_xdp() {
            self.xdp(name).map(Program::Xdp)
        } else {
            self.classifier(name).map(Program::Tc)
        }
    }

    /// Names of the programs that ran already.
    pub fn running(&self) -> impl Iterator<Item = &str> {
        self.running.keys().map(String::as_str)
    }

    /// Pins the programs that are in the kernel for the next daemon of this build, in place of those of others.
    ///
    /// # Errors
    /// A pin cannot be made or removed; then the next daemon loads all programs again.
    pub fn keep(&mut self) -> Result<(), KeepError> {
        let Some(build) = &self.build else {
            return Ok(());
        };
        let running = self.running.iter_mut();
        let running = running.map(|(name, program)| (name.as_str(), program));
        let loaded = self.object.iter_mut().flat_map(Ebpf::programs_mut);
        running::keep(&self.pin_dir, build, running.chain(loaded))
    }

    /// Logs what the programs said since the last time, in a build that has them say it.
    pub fn tell_log(&mut self) {
        self.log.tell();
    }

    /// Loads programs at the same time, as far as they are not in the kernel yet: the verifier takes its time for
    /// each. What it refuses is told when it is asked for.
    pub(super) fn load_ahead(&mut self, names: &[&'static str]) {
        let Self {
            object, running, ..
        } = self;
        let is_wanted = |name: &str| names.contains(&name) && !running.contains_key(name);
        let programs = object.iter_mut().flat_map(Ebpf::programs_mut);
        let wanted = programs
            .filter(|(name, program)| is_wanted(name) && program.fd().is_err())
            .map(|(_, program)| program);
        thread::scope(|scope| {
            for program in wanted {
                scope.spawn(|| running::load(program));
            }
        });
    }

    /// Loads what answers questions, and at the same time what a proxy tells answers to.
    pub fn load_to_be_asked(&mut self, has_proxy: bool) {
        let names: &[&str] = if has_proxy { &[ASK, TEACH] } else { &[ASK] };
        self.load_ahead(names);
    }

    /// A program by its name.
    fn named(&mut self, name: &'static str) -> Result<&mut programs::Program, LoadError> {
        if let Some(program) = self.running.get_mut(name) {
            return Ok(program);
        }
        let object = match &mut self.object {
            Some(object) => object,
            none => {
                // New maps in the place of those that the others use would split them.
                if Build::of(&self.pin_dir) != self.build {
                    return Err(LoadError::Unpinned(self.pin_dir.display().to_string()));
                }
                none.insert(object(&self.pin_dir, &mut self.log)?)
            }
        };
        object.program_mut(name).ok_or(LoadError::Missing(name))
    }

    /// A program of XDP by its name; it is loaded now if it was not yet.
    fn xdp(&mut self, name: &'static str) -> Result<&mut Xdp, LoadError> {
        let program = self.named(name)?.try_into();
        let program: &mut Xdp = program.map_err(|_| LoadError::Missing(name))?;
        if program.fd().is_err() {
            let refused = |source| LoadError::Program { name, source };
            program.load().map_err(refused)?;
        }
        Ok(program)
    }

    /// A program of TC by its name; it is loaded now if it was not yet.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub fn classifier(&mut self, name: &'static str) -> Result<&mut SchedClassifier, LoadError> {
        let program = self.named(name)?.try_into();
        let program: &mut SchedClassifier = program.map_err(|_| LoadError::Missing(name))?;
        if program.fd().is_err() {
            let refused = |source| LoadError::Program { name, source };
            program.load().map_err(refused)?;
        }
        Ok(program)
    }

    /// The program at LAN ingress.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub fn ingress(&mut self) -> Result<&mut Xdp, LoadError> {
        self.xdp(INGRESS)
    }

    /// The program that answers what the one at LAN ingress would do.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub fn asked(&mut self) -> Result<&mut Xdp, LoadError> {
        self.xdp(ASK)
    }

    /// The program that brings DNS over TCP to the proxy; it is loaded now if it was not yet.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub fn for_proxy(&mut self) -> Result<(), LoadError> {
        self.classifier(DIVERT).map(drop)
    }

    /// What the program at LAN ingress would make of a frame; nothing is counted or remembered.
    ///
    /// # Errors
    /// The object does not hold the program, or the kernel refuses or does not run it.
    pub fn ask(&mut self, frame: &[u8]) -> Result<Verdict, AskError> {
        ask(self.asked()?, frame, 0)
    }

    /// Sends a frame through the program at LAN ingress, with all that it remembers and counts.
    ///
    /// # Errors
    /// The object does not hold the program, or the kernel refuses or does not run it.
    pub fn send(&mut self, frame: &[u8]) -> Result<(), LoadError> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        let run = self.ingress()?.test_run(options);
        run.map(drop)
            .map_err(|source| LoadError::TestRun { source })
    }

    /// Shows a frame to the program at LAN egress, as one that came in by the interface of this index, or
    /// that this machine made where it is 0.
    ///
    /// # Errors
    /// The object does not hold the program, or the kernel refuses or does not run it.
    pub fn answer(&mut self, frame: &[u8], came_in: u32) -> Result<(), LoadError> {
        /// Bytes and place of `ingress_ifindex` in `struct __sk_buff` (linux/bpf.h).
        const CONTEXT_BYTES: usize = 40;
        const CAME_IN_AT: usize = 36;

        let mut context = [0; CONTEXT_BYTES];
        if let Some(place) = context.get_mut(CAME_IN_AT..) {
            place.copy_from_slice(&came_in.to_ne_bytes());
        }
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.ctx_in = Some(&context);
        let run = self.egress()?.test_run(options);
        run.map(drop)
            .map_err(|source| LoadError::TestRun { source })
    }

    /// The program at LAN egress.
    ///
    /// # Errors
    /// The object does not hold it, or the kernel refuses it.
    pub fn egress(&mut self) -> Result<&mut SchedClassifier, LoadError> {
        self.classifier(EGRESS)
    }
}

#[cfg(test)]
mod tests {
    use aya_obj::Object;

    use super::*;

    #[test]
    fn no_program_writes_a_log_unless_it_is_built_to() {
        let object = Object::parse(OBJECT).unwrap();
        let logs = object.maps.keys().any(|name| name.contains("LOG"));
        let may_log = cfg!(feature = "bpf-log");
        assert_eq!(logs, may_log, "a packet costs what its log costs");
        assert!(object.maps.contains_key("LEARNED"));
    }
}
