//! One daemon a state folder and a pin directory.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

/// Held while a daemon runs; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _state: File,
    _pins: File,
}

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon holds it.
    #[error("a daemon runs already{}", whose(.pid))]
    Held {
        /// Its process id, where it could be read.
        pid: Option<u32>,
    },
    /// A file cannot be used.
    #[error("cannot use the lock {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

fn whose(pid: &Option<u32>) -> String {
    match pid {
        Some(pid) => {
            format!(", as process {pid}; `kill -HUP {pid}` makes it read its config again")
        }
        None => " on these pins, with another --state-dir".to_owned(),
    }
}

/// Whoever looks who holds the lock has it for a moment.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(10);

impl Lock {
    /// Takes the locks of a state folder, which is made if it is missing, and of a pin directory: the
    /// files of one and the maps of the other have one writer.
    ///
    /// # Errors
    /// Another daemon holds one, or a file cannot be used.
    pub fn take(state_dir: &Path, pin_dir: &Path) -> Result<Self, LockError> {
        let path = path(state_dir);
        let fault = |source| LockError::File {
            path: path.clone(),
            source,
        };
        std::fs::create_dir_all(state_dir).map_err(fault)?;
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = open.map_err(fault)?;
        if !is_taken(&file) {
            return Err(LockError::Held {
                pid: written(&mut file),
            });
        }
        let pins = pins(pin_dir)?;
        file.set_len(0).map_err(fault)?;
        file.rewind().map_err(fault)?;
        writeln!(file, "{}", std::process::id()).map_err(fault)?;
        Ok(Self {
            _state: file,
            _pins: pins,
        })
    }
}

/// Takes the lock of a pin directory alone.
///
/// # Errors
/// A daemon holds it, or there is no such folder.
pub fn pins(pin_dir: &Path) -> Result<File, LockError> {
    let folder = File::open(pin_dir).map_err(|source| LockError::File {
        path: pin_dir.to_owned(),
        source,
    })?;
    if is_taken(&folder) {
        return Ok(folder);
    }
    Err(LockError::Held { pid: None })
}

fn is_taken(file: &File) -> bool {
    for _ in 0..ATTEMPTS {
        if flock(file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return true;
        }
        thread::sleep(PAUSE);
    }
    false
}

/// The process id that the holder wrote.
fn written(file: &mut File) -> Option<u32> {
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

/// Process id of the daemon that holds the lock; none where none runs.
pub fn holder(state_dir: &Path) -> Option<u32> {
    let mut file = File::open(path(state_dir)).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    written(&mut file)
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_holds_the_lock() {
        let (state, pins) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(holder(state.path()), None);
        let first = Lock::take(state.path(), pins.path()).unwrap();
        assert_eq!(holder(state.path()), Some(std::process::id()));
        let second = Lock::take(state.path(), pins.path())
            .unwrap_err()
            .to_string();
        assert!(second.contains(&std::process::id().to_string()), "{second}");
        drop(first);
        assert_eq!(holder(state.path()), None);
        Lock::take(state.path(), pins.path()).unwrap();
    }

    #[test]
    fn one_daemon_uses_the_pins() {
        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let [pins, one, other] = dirs.each_ref().map(tempfile::TempDir::path);
        let first = Lock::take(one, pins).unwrap();
        let second = Lock::take(other, pins).unwrap_err().to_string();
        assert!(second.contains("on these pins"), "{second}");
        drop(first);
        Lock::take(other, pins).unwrap();
    }
}
