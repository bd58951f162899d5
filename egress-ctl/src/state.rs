//! What outlives the daemon beside the kernel's maps: which generation is in force, made from what.
//!
//! One file a generation, `generation-N.json`, written whole before the kernel is told about N. So
//! the number in the kernel always has its file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    net::IpAddr,
    path::{Path, PathBuf},
};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    config::Config,
    durable::{self, FileError},
    feed::sha::Sha,
    policy::{generation::Generation, ids::Ids},
};

/// Format of the file; another one is refused.
const SCHEMA: &str = "egress.generation/1";
/// Files of generations that are kept: the one in force and the one before.
const KEPT: usize = 2;

/// What a generation was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    schema: String,
    /// Its number.
    pub number: u64,
    /// When it was compiled.
    pub loaded: Timestamp,
    /// Where the config was read.
    pub config: PathBuf,
    /// The config's text.
    pub text: String,
    /// The gateway's addresses.
    pub own: Vec<IpAddr>,
    /// The day for which it was compiled.
    pub today: Date,
    /// Ids given so far.
    pub ids: Ids,
    /// What it came to.
    pub summary: Summary,
    /// Version of egress that compiled it, with its built-in data.
    pub version: String,
    /// Editions that its feeds had, by source; a feed that is not named had what egress brings along.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub feeds: BTreeMap<String, Sha>,
}

/// What commands tell of a generation without compiling it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Name of the gateway's mode.
    pub mode: String,
    /// Interfaces with clients behind them.
    pub lan: Vec<String>,
    /// How many client groups.
    pub groups: usize,
    /// How many prefixes of clients.
    pub clients: usize,
    /// How many prefixes of destinations.
    pub prefixes: usize,
    /// How many name patterns.
    pub patterns: usize,
    /// How many different rulesets.
    pub rulesets: usize,
    /// How many endpoint sets some group may reach.
    pub sets: usize,
    /// What the administrator should know, though it is no error.
    pub warnings: Vec<String>,
}

impl Summary {
    /// Of a generation and the config that it was compiled from.
    pub fn of(config: &Config, generation: &Generation) -> Self {
        Self {
            mode: config.gateway.mode.name().to_owned(),
            lan: config.gateway.lan.clone(),
            groups: generation.groups.len(),
            clients: generation.membership.clients.len(),
            prefixes: generation.destinations.len(),
            patterns: generation.patterns.len(),
            rulesets: generation.rulesets.len(),
            sets: generation.sets,
            warnings: generation.warnings.clone(),
        }
    }
}

/// A generation's origin and outcome, for a [`Snapshot`].
pub struct Made {
    /// Where the config was read.
    pub config: PathBuf,
    /// The config's text.
    pub text: String,
    /// The gateway's addresses.
    pub own: Vec<IpAddr>,
    /// The day for which it was compiled.
    pub today: Date,
    /// Ids given so far.
    pub ids: Ids,
    /// What it came to.
    pub summary: Summary,
}

/// Why the state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file is damaged or of another version.
    #[error("{} is not the state that this version of egress writes: {fault}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why.
        fault: String,
    },
}

/// The folder of state.
#[derive(Clone, Copy, Debug)]
pub struct StateDir<'a>(pub &'a Path);

impl Snapshot {
    /// A snapshot of now.
    pub fn new(number: u64, made: Made) -> Self {
        let Made {
            config,
            text,
            own,
            today,
            ids,
            summary,
        } = made;
        Self {
            schema: SCHEMA.to_owned(),
            number,
            loaded: Timestamp::now(),
            config,
            text,
            own,
            today,
            ids,
            summary,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            feeds: BTreeMap::new(),
        }
    }

    /// With the editions of its feeds.
    #[must_use]
    pub fn with_feeds(self, feeds: BTreeMap<String, Sha>) -> Self {
        Self { feeds, ..self }
    }
}

impl StateDir<'_> {
    /// Writes a snapshot, whole or not at all, and synced.
    ///
    /// # Errors
    /// The disk is full or not writable; older snapshots stay.
    pub fn save(self, snapshot: &Snapshot) -> Result<(), StateError> {
        let path = self.path(snapshot.number);
        let text = serde_json::to_vec(snapshot).map_err(|fault| StateError::Foreign {
            path: path.clone(),
            fault: fault.to_string(),
        })?;
        durable::folder(self.0)?;
        Ok(durable::replace(&path, &text)?)
    }

    /// Writes ids that were given since into the snapshot of a generation.
    ///
    /// # Errors
    /// There is none, or the disk is full or not writable.
    pub fn lend_ids(self, number: u64, ids: &Ids) -> Result<(), StateError> {
        let missing = || StateError::Foreign {
            path: self.path(number),
            fault: "there is no such file".to_owned(),
        };
        let snapshot = self.load(number)?.ok_or_else(missing)?;
        let ids = ids.clone();
        self.save(&Snapshot { ids, ..snapshot })
    }

    /// Removes the snapshot of a generation that does not come back.
    pub fn remove(self, number: u64) {
        // One that stays is overwritten, or pruned.
        let _: io::Result<()> = fs::remove_file(self.path(number));
    }

    /// The snapshot of a generation; none where there is no file.
    ///
    /// # Errors
    /// The file cannot be read or is not ours.
    pub fn load(self, number: u64) -> Result<Option<Snapshot>, StateError> {
        let path = self.path(number);
        let Some(text) = durable::read(&path)? else {
            return Ok(None);
        };
        let foreign = |fault: String| StateError::Foreign {
            path: path.clone(),
            fault,
        };
        let snapshot: Snapshot =
            serde_json::from_slice(&text).map_err(|fault| foreign(fault.to_string()))?;
        if snapshot.schema != SCHEMA {
            return Err(foreign(format!(
                "its schema is {}, not {SCHEMA}",
                snapshot.schema
            )));
        }
        if snapshot.number != number {
            return Err(foreign(format!("it is of generation {}", snapshot.number)));
        }
        Ok(Some(snapshot))
    }

    /// Numbers of the generations that have a file, ascending.
    pub fn numbers(self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(self.0) else {
            return Vec::new();
        };
        let number = |entry: io::Result<fs::DirEntry>| -> Option<u64> {
            let name = entry.ok()?.file_name();
            let name = name.to_str()?.strip_prefix("generation-")?;
            name.strip_suffix(".json")?.parse().ok()
        };
        let mut numbers: Vec<_> = entries.filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The snapshot of the newest generation.
    ///
    /// # Errors
    /// Its file cannot be read or is not ours.
    pub fn newest(self) -> Result<Option<Snapshot>, StateError> {
        match self.numbers().last() {
            Some(number) => self.load(*number),
            None => Ok(None),
        }
    }

    /// Editions that some generation was made from.
    ///
    /// # Errors
    /// A file cannot be read or is not ours, so that nobody knows what it needs.
    pub fn editions(self) -> Result<BTreeSet<Sha>, StateError> {
        let mut all = BTreeSet::new();
        for number in self.numbers() {
            let snapshot = self.load(number)?;
            all.extend(snapshot.into_iter().flat_map(|s| s.feeds.into_values()));
        }
        Ok(all)
    }

    /// Removes the files of generations before the last ones.
    pub fn prune(self) {
        let numbers = self.numbers();
        let old = numbers.len().saturating_sub(KEPT);
        for number in numbers.into_iter().take(old) {
            // An old file that stays does no harm; the next generation tries again.
            let _: io::Result<()> = fs::remove_file(self.path(number));
        }
    }

    fn path(self, number: u64) -> PathBuf {
        self.0.join(format!("generation-{number}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(number: u64) -> Snapshot {
        let mut ids = Ids::default();
        ids.pattern("*.x.y").unwrap();
        let made = Made {
            config: "/etc/egress.toml".into(),
            text: "text".into(),
            own: Vec::new(),
            today: Date::constant(2026, 12, 31),
            ids,
            summary: Summary::default(),
        };
        Snapshot::new(number, made)
    }

    #[test]
    fn a_snapshot_comes_back_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path());
        assert_eq!(state.load(1).unwrap(), None);
        state.save(&snapshot(1)).unwrap();
        assert_eq!(state.load(1).unwrap().unwrap().ids, snapshot(1).ids);
    }

    #[test]
    fn the_last_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path());
        for number in 1..=12 {
            state.save(&snapshot(number)).unwrap();
            state.prune();
        }
        assert_eq!(state.numbers(), [11, 12]);
        assert_eq!(
            fs::read_dir(dir.path()).unwrap().count(),
            2,
            "no temporary file stays"
        );
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir(dir.path());
        state.save(&snapshot(3)).unwrap();
        fs::write(state.path(3), "{\"schema\":").unwrap();
        let error = state.load(3).unwrap_err().to_string();
        assert!(error.contains("generation-3.json"), "{error}");
        fs::write(state.path(4), fs::read(state.path(3)).unwrap()).unwrap();
        assert!(state.load(4).is_err());
    }
}
