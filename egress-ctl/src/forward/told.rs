//! What is to be told of fast paths: one file in the state folder, for `status`.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A fast path.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Told {
    /// The interface that packets come in by.
    pub from: String,
    /// The one that they leave by.
    pub to: String,
    /// What holds for IPv4.
    pub ipv4: State,
    /// What holds for IPv6.
    pub ipv6: State,
}

/// Whether it is on.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct State {
    /// Whether packets leave past the stack.
    pub on: bool,
    /// Why not, and what would change that.
    pub why: Option<String>,
}

impl State {
    /// By what was judged.
    pub fn of<E: ToString>(judged: &Result<(), E>) -> Self {
        Self {
            on: judged.is_ok(),
            why: judged.as_ref().err().map(ToString::to_string),
        }
    }

    /// The same without a daemon that looks after it.
    fn alone(self) -> Self {
        if !self.on {
            return self;
        }
        Self {
            on: false,
            why: Some("the daemon does not run, and nobody would see what changes".to_owned()),
        }
    }
}

/// As it was told last; none where nothing was.
pub fn read(state_dir: &Path, daemon_runs: bool) -> Vec<Told> {
    let text = fs::read(path(state_dir)).unwrap_or_default();
    let told: Vec<Told> = serde_json::from_slice(&text).unwrap_or_default();
    if daemon_runs {
        return told;
    }
    let alone = told.into_iter().map(|one| Told {
        ipv4: one.ipv4.alone(),
        ipv6: one.ipv6.alone(),
        ..one
    });
    alone.collect()
}

/// Tells it, whole or not at all.
///
/// # Errors
/// The disk is full or not writable.
pub(super) fn write(told: &[Told], state_dir: &Path) -> io::Result<()> {
    let path = path(state_dir);
    if told.is_empty() && !path.exists() {
        return Ok(());
    }
    let mut new = tempfile::NamedTempFile::new_in(state_dir)?;
    new.write_all(&serde_json::to_vec(told)?)?;
    new.persist(path)?;
    Ok(())
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("fast-path.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_comes_back_and_is_off_without_a_daemon() {
        let dir = tempfile::tempdir().unwrap();
        write(&[], dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let told = Told {
            from: "eth1".to_owned(),
            to: "eth0".to_owned(),
            ipv4: State::of::<String>(&Ok(())),
            ipv6: State::of(&Err("no such thing")),
        };
        write(std::slice::from_ref(&told), dir.path()).unwrap();
        assert_eq!(read(dir.path(), true), std::slice::from_ref(&told));
        let [alone] = read(dir.path(), false).try_into().unwrap();
        assert!(!alone.ipv4.on && alone.ipv4.why.unwrap().contains("daemon"));
        assert_eq!(alone.ipv6, told.ipv6);
        write(&[], dir.path()).unwrap();
        assert_eq!(read(dir.path(), true), []);
    }
}
