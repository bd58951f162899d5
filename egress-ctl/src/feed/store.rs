//! The files of a feed: `STATE/feed/SOURCE`.
//!
//! ```text
//! state-0, state-1   the state, written in turns: a hash of what follows, a line break, JSON
//! blobs/SHA          editions and change records, named by their content
//! refused/           answers that were refused, as they came
//! poll.json          when the service was asked, and when it will be
//! lock               held while something is written
//! ```
//! Content is on disk before the state that names it, and goes after that. So whatever a process was
//! doing when it was killed, the newer readable state names content that is there. Reading takes no
//! lock and writes nothing.

use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::fs::{FlockOperation, flock};

use super::{
    edition::Edition,
    record::Records,
    refusal::Refusal,
    sha::Sha,
    state::{REFUSALS, SCHEMA, State},
};
use crate::durable::{self, FileError};

/// Why a feed's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Content is not what its name says, or not what this version writes.
    #[error("{} is damaged: {fault}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// Another process writes and does not end.
    #[error("{} is held by another process for more than {} s", .path.display(), PATIENCE.as_secs())]
    Busy {
        /// The lock.
        path: PathBuf,
    },
}

/// How long a writer waits for another one.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// The folder of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

/// A state, and what was wrong with another one.
#[derive(Debug)]
pub struct Read {
    /// The newest state that can be read.
    pub state: State,
    /// States that cannot.
    pub damaged: Vec<StoreError>,
}

impl Folder {
    /// The folder of a source.
    pub fn of(state_dir: &Path, source: &str) -> Self {
        Self {
            path: state_dir.join("feed").join(source),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state; an empty one where there is none.
    ///
    /// # Errors
    /// There are states, and none can be read.
    pub fn read(&self) -> Result<Read, StoreError> {
        let mut newest: Option<State> = None;
        let mut damaged = Vec::new();
        for turn in 0..TURNS {
            match self.read_turn(turn) {
                Ok(Some(state)) if newest.as_ref().is_none_or(|n| n.serial < state.serial) => {
                    newest = Some(state);
                }
                Ok(_) => {}
                Err(fault) => damaged.push(fault),
            }
        }
        match (newest, damaged.is_empty()) {
            (Some(state), _) => Ok(Read { state, damaged }),
            (None, true) => Ok(Read {
                state: State::default(),
                damaged,
            }),
            (None, false) => Err(damaged.swap_remove(0)),
        }
    }

    fn read_turn(&self, turn: u64) -> Result<Option<State>, StoreError> {
        let path = self.turn(turn);
        let Some(bytes) = durable::read(&path)? else {
            return Ok(None);
        };
        let damaged = |fault: String| StoreError::Damaged {
            path: path.clone(),
            fault,
        };
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let (sha, json) = bytes.split_at(end.unwrap_or_default());
        let json = json.get(1..).unwrap_or_default();
        if sha != Sha::of(json).to_string().as_bytes() {
            return Err(damaged("its hash is another one".to_owned()));
        }
        let state: State =
            serde_json::from_slice(json).map_err(|fault| damaged(fault.to_string()))?;
        if state.schema != SCHEMA {
            return Err(damaged(format!(
                "its schema is {}, not {SCHEMA}",
                state.schema
            )));
        }
        Ok(Some(state))
    }

    /// An edition.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn edition(&self, blob: &Sha) -> Result<Edition, StoreError> {
        let (path, bytes) = self.blob(blob)?;
        Edition::stored(&bytes).map_err(|fault| StoreError::Damaged {
            path,
            fault: fault.to_string(),
        })
    }

    /// Change records; none where there are none.
    ///
    /// # Errors
    /// They are not there, or damaged.
    pub fn records(&self, blob: Option<&Sha>) -> Result<Records, StoreError> {
        let Some(blob) = blob else {
            return Ok(Records::default());
        };
        let (path, bytes) = self.blob(blob)?;
        serde_json::from_slice(&bytes).map_err(|fault| StoreError::Damaged {
            path,
            fault: fault.to_string(),
        })
    }

    fn blob(&self, blob: &Sha) -> Result<(PathBuf, Vec<u8>), StoreError> {
        let path = self.blobs().join(blob.to_string());
        let bytes = fs::read(&path).map_err(|source| FileError {
            what: "read",
            path: path.clone(),
            source,
        })?;
        if Sha::of(&bytes) != *blob {
            let fault = "its content is another one".to_owned();
            return Err(StoreError::Damaged { path, fault });
        }
        Ok((path, bytes))
    }

    /// Every edition that can be read, whatever the state says.
    pub fn editions(&self) -> Vec<(Sha, Edition)> {
        let names = fs::read_dir(self.blobs()).into_iter().flatten().flatten();
        let names = names.filter_map(|entry| entry.file_name().into_string().ok());
        let shas = names.filter_map(|name| Sha::try_from(name).ok());
        shas.filter_map(|sha| Some((sha.clone(), self.edition(&sha).ok()?)))
            .collect()
    }

    /// Becomes the folder's only writer, for as long as the result lives.
    ///
    /// # Errors
    /// The disk is not writable, another process holds on, or no state can be read.
    pub fn write(&self) -> Result<Writer, StoreError> {
        for folder in [&self.path, &self.blobs(), &self.refused()] {
            durable::folder(folder)?;
        }
        let lock = lock(&self.path.join("lock"))?;
        for folder in [&self.path, &self.blobs(), &self.refused()] {
            durable::tidy(folder);
        }
        // Nobody can mend a state that is lost: what follows begins with what can be read.
        let (state, damaged) = match self.read() {
            Ok(read) => (read.state, read.damaged),
            Err(fault) => (State::default(), vec![fault]),
        };
        Ok(Writer {
            folder: self.clone(),
            state,
            damaged,
            _lock: lock,
        })
    }

    fn blobs(&self) -> PathBuf {
        self.path.join("blobs")
    }

    fn refused(&self) -> PathBuf {
        self.path.join("refused")
    }

    fn turn(&self, serial: u64) -> PathBuf {
        self.path.join(format!("state-{}", serial % TURNS))
    }
}

/// Files that the state is written to in turns.
const TURNS: u64 = 2;

/// The kernel lets go of a lock when its process ends, however it ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let open = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    let file = open.map_err(|source| FileError {
        what: "use the lock",
        path: path.to_owned(),
        source,
    })?;
    let began = Instant::now();
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if began.elapsed() > PATIENCE {
            let path = path.to_owned();
            return Err(StoreError::Busy { path });
        }
        thread::sleep(PAUSE);
    }
    Ok(file)
}

/// The only writer of a feed's files.
#[derive(Debug)]
pub struct Writer {
    folder: Folder,
    /// The state, which [`Writer::commit`] writes.
    pub state: State,
    /// States that could not be read.
    pub damaged: Vec<StoreError>,
    _lock: File,
}

impl Writer {
    /// The folder.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Puts an edition onto the disk.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn put_edition(&self, edition: &Edition) -> Result<Sha, StoreError> {
        self.put(edition)
    }

    /// Puts change records onto the disk.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn put_records(&self, records: &Records) -> Result<Sha, StoreError> {
        self.put(records)
    }

    fn put(&self, what: &impl serde::Serialize) -> Result<Sha, StoreError> {
        let folder = self.folder.blobs();
        let bytes = serde_json::to_vec(what).map_err(|fault| StoreError::Damaged {
            path: folder.clone(),
            fault: fault.to_string(),
        })?;
        let sha = Sha::of(&bytes);
        if self.folder.blob(&sha).is_err() {
            durable::replace(&folder.join(sha.to_string()), &bytes)?;
        }
        Ok(sha)
    }

    /// Keeps an answer aside, and returns its file's name.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn put_refused(&self, refusal: &Refusal, answer: &[u8]) -> Result<String, StoreError> {
        let name = format!("{}-{}", refusal.name(), Sha::of(answer).short());
        let path = self.folder.refused().join(&name);
        if !path.exists() {
            durable::replace(&path, answer)?;
        }
        Ok(name)
    }

    /// Writes the state; then what nothing names any more goes. `needed` is what generations of the
    /// kernel's tables were made from; none where that is not known, and all stays.
    ///
    /// # Errors
    /// The disk is full or not writable: the state before stays.
    pub fn commit(
        &mut self,
        keep: usize,
        needed: Option<&BTreeSet<Sha>>,
    ) -> Result<(), StoreError> {
        self.state.prune(keep);
        self.state.serial += 1;
        let path = self.folder.turn(self.state.serial);
        let json = serde_json::to_string(&self.state).map_err(|fault| StoreError::Damaged {
            path: path.clone(),
            fault: fault.to_string(),
        })?;
        let text = format!("{}\n{json}", Sha::of(json.as_bytes()));
        durable::replace(&path, text.as_bytes())?;
        if let Some(needed) = needed {
            self.prune(needed);
        }
        Ok(())
    }

    fn prune(&self, needed: &BTreeSet<Sha>) {
        // The state before is what is read where this one is damaged.
        let before = self.folder.read_turn(self.state.serial + 1);
        let Ok(before) = before else { return };
        let named: BTreeSet<String> = (self.state.blobs())
            .chain(before.iter().flat_map(State::blobs))
            .chain(needed)
            .map(ToString::to_string)
            .collect();
        remove_others(&self.folder.blobs(), |name| named.contains(name));
        let refused = &self.state.refusals;
        debug_assert!(refused.len() <= REFUSALS);
        remove_others(&self.folder.refused(), |name| {
            refused.iter().any(|refused| refused.file == name)
        });
    }
}

fn remove_others(folder: &Path, is_needed: impl Fn(&str) -> bool) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        if !is_needed(&entry.file_name().to_string_lossy()) {
            // A file that stays does no harm; the next writer tries again.
            let _: io::Result<()> = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
