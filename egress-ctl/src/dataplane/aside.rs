//! Maps of another layout, which another version of egress left.
//!
//! Its programs go on judging by them until this version's are in their place. Until then the pins are set
//! aside, in `before` below the pin directory; what the maps hold that still means the same is carried over, and
//! what they count is told with what the new ones count.
//!
//! Pins on their way are in `moving`: as long as that folder is there, they belong where they came from. So whenever a
//! daemon is killed, the next one knows which maps are in force: those set aside until the new ones have a generation.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    Pod,
    maps::{HashMap, MapData},
};

use super::{
    carried::{self, CARRIED},
    counters::ReadError,
    maps::{Pinned, PinnedError},
    swap,
};

/// The folder of such pins below the pin directory.
pub(super) const BEFORE: &str = "before";
/// The folder of pins that are on their way there, or back.
pub(super) const MOVING: &str = "moving";
/// `BPF_NOEXIST` (linux/bpf.h): what is known already stays.
const NO_EXIST: u64 = 1;

/// Why pins cannot be moved.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", .path.display())]
pub struct AsideError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl AsideError {
    fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { what, path, source }
    }
}

/// Where the pins are.
pub fn folder(pin_dir: &Path) -> PathBuf {
    pin_dir.join(BEFORE)
}

/// Whether there are any.
pub fn is_there(pin_dir: &Path) -> bool {
    folder(pin_dir).is_dir()
}

/// Sets the pins of all maps aside, with what was carried over to them.
///
/// # Errors
/// A pin cannot be moved; then none was.
pub fn set_aside(pin_dir: &Path) -> Result<(), AsideError> {
    let (before, moving) = (folder(pin_dir), pin_dir.join(MOVING));
    fs::create_dir_all(&moving).map_err(AsideError::of("make", &moving))?;
    let moved = move_all(pin_dir, &moving).and_then(|()| {
        let done = fs::rename(&moving, &before);
        done.map_err(AsideError::of("move", &moving))
    });
    if moved.is_err() {
        bring_back(pin_dir)?;
    }
    moved
}

/// Ends what an upgrade left undone: where no generation is in force by the new maps, the old ones come back, and
/// where nothing counts in the old ones any more, they go.
///
/// # Errors
/// A pin cannot be moved or removed.
pub fn settle(pin_dir: &Path) -> Result<(), AsideError> {
    bring_back(pin_dir)?;
    if !is_there(pin_dir) {
        return Ok(());
    }
    let is_in_force = swap::current(Pinned(pin_dir)).is_ok_and(|number| number != 0);
    if !is_in_force {
        let (before, moving) = (folder(pin_dir), pin_dir.join(MOVING));
        fs::rename(&before, &moving).map_err(AsideError::of("move", &before))?;
        return bring_back(pin_dir);
    }
    if pin_dir.join(CARRIED).exists() {
        return forget(pin_dir);
    }
    Ok(())
}

/// Brings back what is on its way.
fn bring_back(pin_dir: &Path) -> Result<(), AsideError> {
    let moving = pin_dir.join(MOVING);
    if !moving.is_dir() {
        return Ok(());
    }
    move_all(&moving, pin_dir)?;
    fs::remove_dir(&moving).map_err(AsideError::of("remove", &moving))
}

/// Writes down what the maps set aside have counted, and removes them. Their programs have ended.
///
/// # Errors
/// The kernel refuses; they go on being told with the others.
pub fn end(pin_dir: &Path) -> Result<(), EndError> {
    carried::write_down(pin_dir)?;
    Ok(forget(pin_dir)?)
}

/// Why maps of before are still there.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// What they counted cannot be kept otherwise.
    #[error("what the maps of before counted cannot be written down, and stays in them")]
    Counted(#[from] ReadError),
    /// A pin cannot be removed.
    #[error(transparent)]
    Aside(#[from] AsideError),
}

/// Removes them: their maps end with the programs that used them.
///
/// # Errors
/// A pin cannot be removed.
pub fn forget(pin_dir: &Path) -> Result<(), AsideError> {
    [BEFORE, MOVING].into_iter().try_for_each(|name| {
        let folder = pin_dir.join(name);
        match fs::remove_dir_all(&folder) {
            Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
                Err(AsideError::of("remove", &folder)(fault))
            }
            _ => Ok(()),
        }
    })
}

/// Moves the pins of one folder to another one, in place of those of the same names.
fn move_all(from: &Path, to: &Path) -> Result<(), AsideError> {
    let list = || AsideError::of("list", from);
    for entry in fs::read_dir(from).map_err(list())? {
        let entry = entry.map_err(list())?;
        let name = entry.file_name();
        let is_map = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_map || name == CARRIED || name == BEFORE {
            let path = entry.path();
            let moved = fs::rename(&path, to.join(name));
            moved.map_err(AsideError::of("move", &path))?;
        }
    }
    Ok(())
}

/// Takes over what means the same by whatever number a map has room for: connections, queries that wait for
/// an answer, and what these are hashed with. A map whose entries have another form now is left out.
pub fn carry(pin_dir: &Path) -> usize {
    let before = folder(pin_dir);
    let (from, to) = (Pinned(&before), Pinned(pin_dir));
    if let (Ok(old), Ok(mut new)) = (from.seed(), to.seed())
        && let Ok(seed) = old.get(&0, 0)
    {
        // Without it, an answer that is on its way now is not known by its query.
        let _: Result<(), _> = new.set(0, &seed, 0);
    }
    copy(from.queries(), to.queries());
    copy(from.streams(), to.streams());
    copy(from.refused(), to.refused());
    copy(from.flows(), to.flows())
}

/// Copies what the other map does not know; tells how much.
fn copy<K: Pod, V: Pod>(
    from: Result<HashMap<MapData, K, V>, PinnedError>,
    to: Result<HashMap<MapData, K, V>, PinnedError>,
) -> usize {
    let (Ok(from), Ok(mut to)) = (from, to) else {
        return 0;
    };
    // Entries may go while they are read.
    let entries = from.iter().filter_map(Result::ok);
    let copied = entries.filter(|(key, value)| to.insert(key, value, NO_EXIST).is_ok());
    copied.count()
}
