//! A config on trial, as the disk knows it: `STATE/trial.json`.
//!
//! The kernel ends a trial by itself. The file says what was tried, so that a daemon that starts goes on with
//! it, or does without what nobody confirmed: that text is not read from the config's file any more.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{deadline::Deadline, note};
use crate::{
    durable::{self, FileError},
    feed::person::By,
};

/// Format of the file.
const SCHEMA: &str = "egress.trial/1";

/// A config on trial, or one that nobody confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// What is tried, in words.
    pub what: String,
    /// Who began it.
    pub by: By,
    /// The session that it was begun from, where that is known.
    pub session: Option<u32>,
    /// When it began.
    pub began: Timestamp,
    /// When it ends.
    pub deadline: Deadline,
    /// Number of its generation.
    pub number: u64,
    /// Number of the generation before.
    pub back: u64,
    /// Text of the config before.
    pub before: String,
    /// Text of the config on trial.
    pub text: String,
    /// How it ended without anybody's confirmation; nothing while it goes on.
    pub fallen: Option<Fallen>,
}

/// The end of a trial that nobody confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fallen {
    /// When it was noticed.
    pub at: Timestamp,
    /// Why.
    pub why: String,
}

/// What is to be tried.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// In words.
    pub what: String,
    /// Text of the config.
    pub text: String,
    /// Who wants it.
    pub by: By,
    /// From which session.
    pub session: Option<u32>,
}

impl Trial {
    /// A trial that begins now, in the place of a config.
    pub fn new(attempt: Attempt, numbers: (u64, u64), before: String, deadline: Deadline) -> Self {
        let Attempt {
            what,
            text,
            by,
            session,
        } = attempt;
        let (number, back) = numbers;
        Self {
            what,
            by,
            session,
            began: Timestamp::now(),
            deadline,
            number,
            back,
            before,
            text,
            fallen: None,
        }
    }

    /// What the disk says; nothing where nothing was tried, or what was tried was confirmed.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn read(state_dir: &Path) -> Result<Option<Self>, FileError> {
        note::read(&path(state_dir), SCHEMA)
    }

    /// Whether one goes on, as far as the disk says.
    pub fn goes_on(state_dir: &Path) -> bool {
        let read = Self::read(state_dir).ok().flatten();
        read.is_some_and(|trial| trial.fallen.is_none())
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn write(&self, state_dir: &Path) -> Result<(), FileError> {
        note::write(&path(state_dir), SCHEMA, self)
    }

    /// Forgets it: its config holds for good, or another one does.
    ///
    /// # Errors
    /// The disk is not writable.
    pub fn forget(state_dir: &Path) -> Result<(), FileError> {
        durable::remove(&path(state_dir))
    }

    /// The same, over.
    #[must_use]
    pub fn fallen(self, why: String) -> Self {
        let at = Timestamp::now();
        Self {
            fallen: Some(Fallen { at, why }),
            ..self
        }
    }

    /// Whether this text was tried, and nobody confirmed it.
    pub fn refuses(&self, text: &str) -> bool {
        self.fallen.is_some() && self.text == text
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("trial.json")
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::*;
    use crate::lever::deadline::Now;

    fn trial() -> Trial {
        let attempt = Attempt {
            what: "mode enforce".to_owned(),
            text: "new".to_owned(),
            by: By::Rule,
            session: Some(7),
        };
        let deadline = Deadline::after(Duration::from_secs(300), &Now::read());
        Trial::new(attempt, (8, 7), "old".to_owned(), deadline)
    }

    #[test]
    fn a_trial_comes_back_from_disk_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Trial::read(dir.path()).unwrap(), None);
        trial().write(dir.path()).unwrap();
        assert!(Trial::goes_on(dir.path()));
        let read = Trial::read(dir.path()).unwrap().unwrap();
        assert!(!read.refuses("new"), "it still goes on");
        read.fallen("nobody confirmed it".to_owned())
            .write(dir.path())
            .unwrap();
        assert!(!Trial::goes_on(dir.path()));
        let read = Trial::read(dir.path()).unwrap().unwrap();
        assert!(read.refuses("new") && !read.refuses("old"));
        Trial::forget(dir.path()).unwrap();
        assert_eq!(Trial::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = serde_json::to_string(&trial()).unwrap().replace("/1", "/9");
        for text in ["", "{", &foreign] {
            fs::write(path(dir.path()), text).unwrap();
            let fault = Trial::read(dir.path()).unwrap_err().to_string();
            assert!(fault.contains("trial.json"), "{text}: {fault}");
        }
    }
}
