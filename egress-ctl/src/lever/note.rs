//! What stands on disk of a lever: one JSON object, with its format in front.

use std::{io, path::Path};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::durable::{self, FileError};

#[derive(Serialize, Deserialize)]
struct Note<'a, T> {
    schema: &'a str,
    #[serde(flatten)]
    what: T,
}

/// Reads a note of this format; nothing where there is none.
///
/// # Errors
/// The file cannot be read, is damaged, or is of another format.
pub(super) fn read<T: DeserializeOwned>(path: &Path, schema: &str) -> Result<Option<T>, FileError> {
    let Some(text) = durable::read(path)? else {
        return Ok(None);
    };
    let fault = |source| FileError {
        what: "read",
        path: path.to_owned(),
        source,
    };
    let note: Note<'_, T> =
        serde_json::from_slice(&text).map_err(|damage| fault(io::Error::other(damage)))?;
    if note.schema != schema {
        let foreign = format!("its schema is {}, not {schema}", note.schema);
        return Err(fault(io::Error::other(foreign)));
    }
    Ok(Some(note.what))
}

/// Writes one, in place of the one before.
///
/// # Errors
/// The disk is full or not writable; what was there stays.
pub(super) fn write<T: Serialize>(path: &Path, schema: &str, what: &T) -> Result<(), FileError> {
    let text = serde_json::to_vec(&Note { schema, what }).map_err(|fault| FileError {
        what: "write",
        path: path.to_owned(),
        source: fault.into(),
    })?;
    durable::replace(path, &text)
}
