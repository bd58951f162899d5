//! The id by which the service knows this machine: made once, kept for good.

use std::{fmt, fs, io, path::Path};

use uuid::Uuid;

use crate::durable::{self, FileError};

const FILE: &str = "client-request-id";

/// A ClientRequestId.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Uuid);

impl RequestId {
    /// The machine's id, made now where there is none that can be read.
    ///
    /// # Errors
    /// It cannot be read, or not be written.
    pub fn of_machine(state_dir: &Path) -> Result<Self, FileError> {
        let path = state_dir.join(FILE);
        let known = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().ok(),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                let what = "read";
                return Err(FileError { what, path, source });
            }
        };
        if let Some(known) = known {
            return Ok(Self(known));
        }
        let new = Uuid::new_v4();
        durable::folder(state_dir)?;
        durable::replace(&path, format!("{new}\n").as_bytes())?;
        Ok(Self(new))
    }
}

impl RequestId {
    /// The machine's id where there is one, else one that nobody keeps: for who only looks.
    pub fn passing(state_dir: &Path) -> Self {
        let known = fs::read_to_string(state_dir.join(FILE)).ok();
        let known = known.and_then(|text| text.trim().parse().ok());
        Self(known.unwrap_or_else(Uuid::new_v4))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_keeps_its_id() {
        let dir = tempfile::tempdir().unwrap();
        let passing = RequestId::passing(dir.path());
        assert_ne!(RequestId::passing(dir.path()), passing);
        let first = RequestId::of_machine(dir.path()).unwrap();
        assert_eq!(RequestId::passing(dir.path()), first);
        assert_eq!(RequestId::of_machine(dir.path()).unwrap(), first);
        fs::write(dir.path().join(FILE), "damaged").unwrap();
        let second = RequestId::of_machine(dir.path()).unwrap();
        assert_ne!(second, first);
        assert_eq!(RequestId::of_machine(dir.path()).unwrap(), second);
    }
}
