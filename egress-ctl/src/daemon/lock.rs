//! One daemon a state folder.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use rustix::fs::{FlockOperation, flock};

/// Held while a daemon runs; the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// Why the lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon holds it.
    #[error(
        "a daemon runs already, as process {pid}; `kill -HUP {pid}` makes it read its config again"
    )]
    Held {
        /// Its process id, as it wrote it.
        pid: String,
    },
    /// The file cannot be used.
    #[error("cannot use the lock {}: {fault}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: io::Error,
    },
}

impl Lock {
    /// Takes the lock of a state folder, which is made if it is missing.
    ///
    /// # Errors
    /// Another daemon holds it, or the file cannot be used.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let path = path(state_dir);
        let fault = |fault| LockError::File {
            path: path.clone(),
            fault,
        };
        std::fs::create_dir_all(state_dir).map_err(fault)?;
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path);
        let mut file = open.map_err(fault)?;
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
            let mut pid = String::new();
            // Without the number the message is still right.
            let _: io::Result<usize> = file.read_to_string(&mut pid);
            let pid = pid.trim().to_owned();
            return Err(LockError::Held { pid });
        }
        file.set_len(0).map_err(fault)?;
        file.rewind().map_err(fault)?;
        writeln!(file, "{}", std::process::id()).map_err(fault)?;
        Ok(Self { _file: file })
    }
}

/// Process id of the daemon that holds the lock; none where none runs.
pub fn holder(state_dir: &Path) -> Option<u32> {
    let mut file = File::open(path(state_dir)).ok()?;
    if flock(&file, FlockOperation::NonBlockingLockShared).is_ok() {
        return None;
    }
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_holds_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(holder(dir.path()), None);
        let first = Lock::take(dir.path()).unwrap();
        assert_eq!(holder(dir.path()), Some(std::process::id()));
        let second = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(second.contains(&std::process::id().to_string()), "{second}");
        drop(first);
        assert_eq!(holder(dir.path()), None);
        Lock::take(dir.path()).unwrap();
    }
}
