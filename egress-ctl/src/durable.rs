//! Files that are there whole or not at all, whenever the machine stops.
//!
//! A file is written under another name, synced, renamed, and its folder synced.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Duration,
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
/// Writing a file takes no longer; who takes longer was killed.
const GIVEN_UP: Duration = Duration::from_secs(60);

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

/// What stands in a file; nothing where there is none.
///
/// # Errors
/// It cannot be read.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    match fs::read(path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(|source| FileError {
            what: "read",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Removes a file, where there is one, so that it does not come back.
///
/// # Errors
/// The disk is not writable.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    match fs::remove_file(path).and_then(|()| sync(folder)) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError {
            what: "remove",
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
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

/// Removes what a process that was killed did not finish; what another one is writing now stays.
pub fn tidy(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(is_given_up) {
        // A file that stays takes a little room, and no harm comes from it.
        let _: io::Result<()> = fs::remove_file(entry.path());
    }
}

fn is_given_up(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
    name.to_string_lossy().starts_with(UNFINISHED) && age().is_some_and(|age| age > GIVEN_UP)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

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
            assert_eq!(read(&path).unwrap().unwrap(), text.as_bytes());
        }
        assert_eq!(fs::read_dir(&deep).unwrap().count(), 1);
        let error = replace(&dir.path().join("missing/file"), b"x").unwrap_err();
        assert!(error.to_string().contains("missing/file"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_nothing_and_one_that_is_no_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        replace(&path, b"x").unwrap();
        for _ in 0..2 {
            remove(&path).unwrap();
            assert_eq!(read(&path).unwrap(), None);
        }
        folder(&path).unwrap();
        for fault in [read(&path).unwrap_err(), remove(&path).unwrap_err()] {
            assert!(fault.to_string().contains("/file"), "{fault}");
        }
    }

    #[test]
    fn what_another_process_is_writing_is_not_tidied_away() {
        let dir = tempfile::tempdir().unwrap();
        let left = |name: &str| File::create(dir.path().join(name)).unwrap();
        let long_ago = SystemTime::now() - 2 * GIVEN_UP;
        left(".new-now");
        left(".new-then").set_modified(long_ago).unwrap();
        left("file").set_modified(long_ago).unwrap();
        tidy(dir.path());
        let names = fs::read_dir(dir.path()).unwrap();
        let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".new-now", "file"]);
    }
}
