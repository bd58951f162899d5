//! What the proxy has to tell: one file in the state folder, for `status`.

use std::{
    fmt, fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What becomes of DNS over TCP.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Told {
    /// Whether it goes through the proxy; it does not where the daemon was killed.
    pub active: bool,
    /// Why not.
    pub why: Option<String>,
    /// What the proxy did since it started.
    #[serde(flatten)]
    pub count: Count,
}

/// What the proxy did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Count {
    /// Connections that clients began.
    pub connections: u64,
    /// Those that there are now.
    pub open: u64,
    /// Those of clients that had too many.
    pub refused: u64,
    /// Those that ended because nothing was said for too long.
    pub idle: u64,
    /// Those whose resolver could not be reached.
    pub unreached: u64,
    /// Messages from clients.
    pub queries: u64,
    /// Messages from resolvers.
    pub answers: u64,
    /// Answers that taught the kernel.
    pub taught: u64,
    /// Messages from resolvers that answered no query of their connection; they teach nothing.
    pub unasked: u64,
    /// Messages from resolvers that cannot be read; they teach nothing.
    pub unreadable: u64,
}

impl Told {
    /// As it was told last; none where nothing was.
    pub fn read(state_dir: &Path) -> Option<Self> {
        let text = fs::read(path(state_dir)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Tells it, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub(super) fn write(&self, state_dir: &Path) -> io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(state_dir)?;
        new.write_all(&serde_json::to_vec(self)?)?;
        new.persist(path(state_dir))?;
        Ok(())
    }

    /// The same, when the proxy is no more.
    #[must_use]
    pub fn ended(self, why: &str) -> Self {
        let count = Count {
            open: 0,
            ..self.count
        };
        Self {
            active: false,
            why: Some(why.to_owned()),
            count,
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count {
            connections,
            open,
            queries,
            answers,
            taught,
            ..
        } = self.count;
        if !self.active {
            let why = self.why.as_deref().unwrap_or("no daemon has told why");
            return write!(f, "directly to the resolvers: {why}");
        }
        write!(
            f,
            "through the proxy: {connections} connections ({open} open), {queries} queries, {answers} answers, {taught} taught addresses"
        )
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("dns-tcp.json")
}

/// Counts, and tells what has changed.
pub(super) struct Tally {
    /// What was counted.
    pub(super) count: Count,
    told: Option<Count>,
    state_dir: PathBuf,
}

impl Tally {
    /// Nothing yet.
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            count: Count::default(),
            told: None,
            state_dir: state_dir.to_owned(),
        }
    }

    /// Tells what was counted, where that is new.
    ///
    /// # Errors
    /// The disk is full or not writable; it is tried again the next time.
    pub(super) fn tell(&mut self) -> io::Result<()> {
        if self.told == Some(self.count) {
            return Ok(());
        }
        let told = Told {
            active: true,
            why: None,
            count: self.count,
        };
        told.write(&self.state_dir)?;
        self.told = Some(self.count);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Told::read(dir.path()), None);
        let mut tally = Tally::new(dir.path());
        tally.tell().unwrap();
        assert!(Told::read(dir.path()).unwrap().active);
        tally.count.open = 2;
        tally.count.answers = 3;
        tally.tell().unwrap();
        let told = Told::read(dir.path()).unwrap();
        assert_eq!(told.count, tally.count);
        let ended = told.ended("no more");
        assert!(!ended.active);
        assert_eq!((ended.count.open, ended.count.answers), (0, 3));
    }
}
