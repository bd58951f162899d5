//! Learned addresses that outlive a reboot.
//!
//! The kernel's maps do not: without this, connections would fail after a reboot until clients ask again,
//! which those that cache do late. `STATE/dns/learned.jsonl` is an export without names, written from time to
//! time. It is taken in where new maps are made, for the rest of each TTL by the wall clock, and for no longer
//! than the cap.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

use super::{
    admit::{Admission, Told},
    document::{self, DocumentError},
    known::{Known, Reader},
    names::Names,
    time::Clocks,
};
use crate::{
    dataplane::learned::{LearnedError, Table},
    durable::{self, FileError},
    policy::generation::Generation,
};

/// Why learned addresses were not saved or not restored.
#[derive(Debug, thiserror::Error)]
pub enum SavedError {
    /// The table cannot be used.
    #[error(transparent)]
    Table(#[from] LearnedError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what was written.
    #[error("{path} is damaged, and discarded: {source}")]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        source: DocumentError,
    },
    /// The clock is wrong now, or was then.
    #[error(
        "{path} was written at {saved}, and it is {now}: with such a clock nobody knows what has expired"
    )]
    Clock {
        /// The file.
        path: String,
        /// When it was written.
        saved: Timestamp,
        /// What the clock says.
        now: Timestamp,
    },
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("dns").join("learned.jsonl")
}

/// Saves what still counts; `patterns` are what they are called by their ids.
///
/// # Errors
/// The table cannot be read, or the disk is full or not writable; the file stays as it was.
pub fn save(
    state_dir: &Path,
    table: &Table,
    patterns: &HashMap<u32, String>,
) -> Result<(), SavedError> {
    let clocks = Clocks::now();
    let addresses = counting(table, patterns, clocks)?;
    let path = path(state_dir);
    durable::folder(&state_dir.join("dns"))?;
    let text = document::write(&addresses, clocks.wall);
    Ok(durable::replace(&path, text.as_bytes())?)
}

/// The addresses that still count.
fn counting(
    table: &Table,
    patterns: &HashMap<u32, String>,
    clocks: Clocks,
) -> Result<Vec<Known>, LearnedError> {
    let reader = Reader::new(patterns, clocks);
    let nameless = Names::default();
    let mut addresses = Vec::new();
    for entry in table.entries()? {
        let mut known = reader.known(&entry, &nameless);
        known.teachings.retain(|teaching| teaching.seconds_left > 0);
        if !known.teachings.is_empty() {
            addresses.push(known);
        }
    }
    Ok(addresses)
}

/// Teaches a table what another one holds that still counts, as if it were exported there and imported here.
///
/// # Errors
/// A table cannot be read or written.
pub fn carry(
    from: &Table,
    to: &mut Table,
    patterns: &HashMap<u32, String>,
    generation: &Generation,
) -> Result<Told, SavedError> {
    let clocks = Clocks::now();
    let text = document::write(&counting(from, patterns, clocks)?, clocks.wall);
    let document = document::read(&text).map_err(|source| SavedError::Damaged {
        path: "what the maps of before hold".to_owned(),
        source,
    })?;
    let plan = Admission::by(generation, clocks).plan(&document);
    for (key, slots) in &plan.teach {
        to.teach(*key, slots, clocks.boot_ms)?;
    }
    Ok(plan.told)
}

/// Teaches what was saved and still counts; nothing where nothing was saved.
///
/// # Errors
/// The file is damaged, the clock is wrong, or the kernel refuses.
pub fn restore(
    state_dir: &Path,
    table: &mut Table,
    generation: &Generation,
) -> Result<Option<Told>, SavedError> {
    let path = path(state_dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            let what = "read";
            return Err(FileError { what, path, source }.into());
        }
    };
    let document = document::read(&text).map_err(|source| SavedError::Damaged {
        path: path.display().to_string(),
        source,
    })?;
    let clocks = Clocks::now();
    if document.exported > clocks.wall {
        return Err(SavedError::Clock {
            path: path.display().to_string(),
            saved: document.exported,
            now: clocks.wall,
        });
    }
    let plan = Admission::by(generation, clocks).plan(&document);
    for (key, slots) in &plan.teach {
        table.teach(*key, slots, clocks.boot_ms)?;
    }
    Ok(Some(plan.told))
}

/// Forgets what was saved.
///
/// # Errors
/// The file cannot be removed.
pub fn forget(state_dir: &Path) -> Result<(), FileError> {
    durable::remove(&path(state_dir))
}
