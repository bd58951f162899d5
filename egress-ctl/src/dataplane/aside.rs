//! Maps of another layout, which another version of egress left.
//!
//! Its programs go on judging by them until this version's are in their place. Until then the pins are set
//! aside, in `before` below the pin directory; what the maps hold that still means the same is carried over.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use aya::{
    Pod,
    maps::{HashMap, MapData},
};

use super::{
    maps::{Pinned, PinnedError},
    swap,
};

/// The folder of such pins below the pin directory.
const BEFORE: &str = "before";
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

/// Sets the pins of all maps aside.
///
/// # Errors
/// A pin cannot be moved; then none was.
pub fn set_aside(pin_dir: &Path) -> Result<(), AsideError> {
    let before = folder(pin_dir);
    fs::create_dir_all(&before).map_err(AsideError::of("make", &before))?;
    let moved = move_all(pin_dir, &before);
    if moved.is_err() {
        move_all(&before, pin_dir)?;
    }
    moved
}

/// Ends what an upgrade left undone: where no generation is in force by the new maps, the old ones come back.
///
/// # Errors
/// A pin cannot be moved.
pub fn settle(pin_dir: &Path) -> Result<(), AsideError> {
    let is_in_force = swap::current(Pinned(pin_dir)).is_ok_and(|number| number != 0);
    if is_in_force || !is_there(pin_dir) {
        return Ok(());
    }
    let before = folder(pin_dir);
    move_all(&before, pin_dir)?;
    fs::remove_dir(&before).map_err(AsideError::of("remove", &before))
}

/// Removes them: their maps end with the programs that used them.
///
/// # Errors
/// A pin cannot be removed.
pub fn forget(pin_dir: &Path) -> Result<(), AsideError> {
    let before = folder(pin_dir);
    match fs::remove_dir_all(&before) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            Err(AsideError::of("remove", &before)(fault))
        }
        _ => Ok(()),
    }
}

/// Moves the pins of one folder to another one, in place of those of the same names.
fn move_all(from: &Path, to: &Path) -> Result<(), AsideError> {
    let list = || AsideError::of("list", from);
    for entry in fs::read_dir(from).map_err(list())? {
        let entry = entry.map_err(list())?;
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let path = entry.path();
            let moved = fs::rename(&path, to.join(entry.file_name()));
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
    copy(from.missed(), to.missed());
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
