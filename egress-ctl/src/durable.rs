//! Files that are there whole or not at all, whenever the machine stops.
//!
//! A file is written under another name, synced, renamed, and its folder synced.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// A file operation that failed: a full disk, a missing right, a disk that is read-only.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}", .path.display())]
pub struct FileError {
    /// Which operation.
    pub what: &'static str,
    /// On which file.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// Beginning of the names of files that are being written.
const UNFINISHED: &str = ".new-";

/// Puts `bytes` in the place of a file, which may not be there yet; its folder must be.
///
/// # Errors
/// The disk is full or not writable; what was there stays.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let error = |what| {
        let path = path.to_owned();
        move |source| FileError { what, path, source }
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let new = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(folder);
    let mut new = new.map_err(error("write"))?;
    new.write_all(bytes).map_err(error("write"))?;
    new.as_file().sync_all().map_err(error("sync"))?;
    new.persist(path)
        .map_err(|fault| error("write")(fault.error))?;
    sync(folder).map_err(error("sync the folder of"))
}

/// Makes a folder and those above it, so that they stay.
///
/// # Errors
/// The disk is full or not writable.
pub fn folder(path: &Path) -> Result<(), FileError> {
    if path.is_dir() {
        return Ok(());
    }
    let error = |source| FileError {
        what: "make",
        path: path.to_owned(),
        source,
    };
    let Some(above) = path.parent() else {
        return Ok(());
    };
    folder(above)?;
    match fs::create_dir(path) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| sync(above)).map_err(error),
    }
}

/// Removes what a process that was killed did not finish. The caller is the folder's only writer.
pub fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let unfinished = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with(UNFINISHED);
    for entry in entries.filter(|entry| unfinished(&entry.file_name())) {
        // A file that stays takes a little room, and no harm comes from it.
        let _: io::Result<()> = fs::remove_file(entry.path());
    }
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        folder(&deep).unwrap();
        folder(&deep).unwrap();
        let path = deep.join("file");
        for text in ["one", "another one", ""] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::write(deep.join(".new-abc"), "half").unwrap();
        tidy(&deep);
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
        let error = replace(&dir.path().join("missing/file"), b"x").unwrap_err();
        assert!(error.to_string().contains("missing/file"), "{error}");
    }
}
