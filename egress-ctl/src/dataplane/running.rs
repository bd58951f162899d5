//! Programs that run already, where they are those that this build would load: then nothing has to be verified
//! again.
//!
//! In: the pin directory. Out: programs by their names, as good as loaded. Each one in use is pinned as
//! `programs/NAME:NUMBER:BUILD`, by the kernel's number of it and by the object and maps that it was made from.
//! Whatever of that does not fit is left alone, and loaded anew.

use std::{
    collections::{BTreeSet, HashMap},
    fmt::Write as _,
    fs, io,
    path::Path,
    sync::LazyLock,
};

use aya::{
    maps::MapData,
    programs::{Program, ProgramError, ProgramInfo, SchedClassifier, Xdp},
};
use aya_obj::programs::XdpAttachType;

use super::{
    ask::{PROGRAMS, PinFault, remove},
    load::OBJECT,
    maps::PINS,
};
use crate::feed::sha::Sha;

/// Programs by their names.
pub(super) type Programs = HashMap<String, Program>;

/// Why programs are not pinned for the next daemon, which then loads them again.
#[derive(Debug, thiserror::Error)]
#[error("the programs that run cannot be pinned for the next start, which will load them again")]
pub struct KeepError(#[source] KeepFault);

/// What went wrong.
#[derive(Debug, thiserror::Error)]
enum KeepFault {
    /// The kernel does not tell of a program.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A pin cannot be made or removed.
    #[error(transparent)]
    Pin(#[from] PinFault),
}

/// What programs are made from: the bytes of the object, and the maps that they use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build(Sha);

impl Build {
    /// This binary's object with the maps that are pinned; nothing where one is missing.
    pub(super) fn of(pin_dir: &Path) -> Option<Self> {
        static OBJECT_NAME: LazyLock<Sha> = LazyLock::new(|| Sha::of(OBJECT));

        let mut text = OBJECT_NAME.to_string();
        for name in PINS {
            let map = MapData::from_pin(pin_dir.join(name)).ok()?;
            let number = map.info().ok()?.id();
            write!(text, " {name}:{number}").ok()?;
        }
        Some(Self(Sha::of(text.as_bytes())))
    }
}

/// A pin of a program that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pin {
    program: String,
    /// The kernel's number of it, which no other one gets until the next reboot.
    number: u32,
    build: String,
}

impl Pin {
    fn name(&self) -> String {
        let Self {
            program,
            number,
            build,
        } = self;
        format!("{program}:{number}:{build}")
    }

    fn from_name(name: &str) -> Option<Self> {
        let mut parts = name.split(':');
        let pin = Self {
            program: parts.next()?.to_owned(),
            number: parts.next()?.parse().ok()?,
            build: parts.next()?.to_owned(),
        };
        parts.next().is_none().then_some(pin)
    }
}

/// Loads a program of a kind that egress has.
pub(super) fn load(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::Xdp(program) => program.load(),
        Program::SchedClassifier(program) => program.load(),
        _ => Ok(()),
    }
}

/// The programs of a build that are pinned.
pub(super) fn find(pin_dir: &Path, Build(build): &Build) -> Programs {
    let folder = pin_dir.join(PROGRAMS);
    let build = build.to_string();
    // A folder that cannot be read holds nothing that could be taken over.
    let pins = pins(&folder).unwrap_or_default().into_iter();
    let of_build = pins.filter(|pin| pin.build == build);
    let found = of_build.filter_map(|pin| Some((open(&folder, &pin)?, pin.program)));
    found.map(|(program, name)| (name, program)).collect()
}

/// The program of a pin, if it is the one that was pinned there.
fn open(folder: &Path, pin: &Pin) -> Option<Program> {
    let path = folder.join(pin.name());
    let info = ProgramInfo::from_pin(&path).ok()?;
    // The kernel keeps the beginning of a name.
    if info.id() != pin.number || !pin.program.as_bytes().starts_with(info.name()) {
        return None;
    }
    let kind = info.program_type();
    if kind == Xdp::PROGRAM_TYPE.into() {
        let program = Xdp::from_pin(&path, XdpAttachType::Interface);
        return program.ok().map(Program::Xdp);
    }
    if kind == SchedClassifier::PROGRAM_TYPE.into() {
        let program = SchedClassifier::from_pin(&path);
        return program.ok().map(Program::SchedClassifier);
    }
    None
}

/// Pins the programs of a build that are in the kernel, and removes the pins of all others.
pub(super) fn keep<'a>(
    pin_dir: &Path,
    Build(build): &Build,
    programs: impl Iterator<Item = (&'a str, &'a mut Program)>,
) -> Result<(), KeepError> {
    let folder = pin_dir.join(PROGRAMS);
    let build = build.to_string();
    let kept = pin_all(&folder, &build, programs);
    let kept = kept.map_err(KeepError)?;
    remove_all(&folder, |pin| !kept.contains(&pin.name()))
        .map_err(|fault| KeepError(PinFault::from(fault).into()))
}

fn pin_all<'a>(
    folder: &Path,
    build: &str,
    programs: impl Iterator<Item = (&'a str, &'a mut Program)>,
) -> Result<BTreeSet<String>, KeepFault> {
    fs::create_dir_all(folder).map_err(PinFault::from)?;
    let mut kept = BTreeSet::new();
    for (name, program) in programs.filter(|(_, program)| program.fd().is_ok()) {
        let pin = Pin {
            program: name.to_owned(),
            number: program.info()?.id(),
            build: build.to_owned(),
        };
        let path = folder.join(pin.name());
        if !path.exists() {
            program.pin(&path).map_err(PinFault::from)?;
        }
        kept.insert(pin.name());
    }
    Ok(kept)
}

/// Removes all pins of programs that run; what is attached goes on.
pub(super) fn forget(pin_dir: &Path) -> io::Result<()> {
    remove_all(&pin_dir.join(PROGRAMS), |_| true)
}

fn remove_all(folder: &Path, is_one: impl Fn(&Pin) -> bool) -> io::Result<()> {
    let pins = pins(folder)?;
    let mut wanted = pins.iter().filter(|pin| is_one(pin));
    wanted.try_for_each(|pin| remove(&folder.join(pin.name())))
}

fn pins(folder: &Path) -> io::Result<Vec<Pin>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(fault) => return Err(fault),
    };
    let mut pins = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        pins.extend(name.to_str().and_then(Pin::from_name));
    }
    Ok(pins)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_say_which_program_of_which_build_they_are_of() {
        let pin = Pin {
            program: "lan_ingress".to_owned(),
            number: 17,
            build: Sha::of(b"object and maps").to_string(),
        };
        assert_eq!(Pin::from_name(&pin.name()), Some(pin.clone()));
        // A BPF file system takes no dots, and names of up to 255 bytes.
        assert!(!pin.name().contains('.') && pin.name().len() < 128);
        for other in ["lan_ask", "next", "lan_ask:x:1", "lan_ask:1", "a:1:b:c"] {
            assert_eq!(Pin::from_name(other), None, "{other}");
        }
    }
}
