//! The generation in force, read from the kernel and from its state file.

use anyhow::{Context as _, Result, bail};

use crate::{
    config::{Config, ConfigError},
    daemon::Places,
    dataplane::{maps::Pinned, swap},
    explain::ground::Ground,
    feed::standing::Feeds,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        tables::HostTables,
    },
    state::{Snapshot, StateDir},
};

/// The generation in force, compiled again from what it was made from.
pub(super) struct Force {
    pub(super) snapshot: Snapshot,
    pub(super) config: Config,
    pub(super) feeds: Feeds,
    pub(super) generation: Generation,
}

impl Force {
    /// Reads it.
    ///
    /// # Errors
    /// Nothing is loaded, or the state file is missing or of another version.
    pub(super) fn read(places: &Places) -> Result<Self> {
        Self::compile(places, snapshot(places)?)
    }

    /// Reads a generation that was in force a moment ago.
    ///
    /// # Errors
    /// Its state file is missing or of another version.
    pub(super) fn numbered(places: &Places, number: u64) -> Result<Self> {
        Self::compile(places, load(places, number)?)
    }

    fn compile(places: &Places, snapshot: Snapshot) -> Result<Self> {
        let number = snapshot.number;
        if snapshot.version != env!("CARGO_PKG_VERSION") {
            let (theirs, ours) = (&snapshot.version, env!("CARGO_PKG_VERSION"));
            bail!(
                "generation {number} was made by egress-ctl {theirs}, this is {ours}: restart the daemon"
            );
        }
        let feeds = Feeds::Of {
            state_dir: places.state_dir.clone(),
            editions: snapshot.feeds.clone(),
        };
        let config = Config::parse_with(&snapshot.text, &feeds).map_err(|problems| {
            let path = snapshot.config.clone();
            ConfigError { path, problems }
        })?;
        let circumstances = Circumstances {
            own: &snapshot.own,
            today: snapshot.today,
        };
        let generation = compile(&config, circumstances, &mut snapshot.ids.clone())?;
        Ok(Self {
            snapshot,
            config,
            feeds,
            generation,
        })
    }
}

impl Force {
    /// What questions are answered by; nothing is learned yet.
    pub(super) fn ground(&self) -> Ground<'_> {
        let snapshot = &self.snapshot;
        Ground {
            text: &snapshot.text,
            config: &self.config,
            feeds: &self.feeds,
            circumstances: Circumstances {
                own: &snapshot.own,
                today: snapshot.today,
            },
            ids: &snapshot.ids,
            tables: HostTables::new(&self.generation),
        }
    }
}

/// What the generation in force was made from, and what it came to.
///
/// # Errors
/// Nothing is loaded, or the state file is missing or of another version.
pub(super) fn snapshot(places: &Places) -> Result<Snapshot> {
    let number = swap::current(Pinned(&places.pin_dir))?;
    if number == 0 {
        bail!("no generation is in force");
    }
    load(places, number)
}

fn load(places: &Places, number: u64) -> Result<Snapshot> {
    let dir = places.state_dir.display();
    StateDir(&places.state_dir).load(number)?.with_context(|| {
        format!(
            "generation {number} is in force, but there is no file of it in {dir}: name the daemon's --state-dir, or restart the daemon"
        )
    })
}
