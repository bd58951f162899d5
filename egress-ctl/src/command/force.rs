//! The generation in force, read from the kernel and from its state file.

use anyhow::{Result, bail};

pub(super) use crate::in_force::snapshot;
use crate::{
    config::{Config, ConfigError},
    daemon::Places,
    explain::ground::Ground,
    feed::standing::Feeds,
    in_force::numbered,
    policy::{
        compile::{Circumstances, compile},
        generation::Generation,
        tables::HostTables,
    },
    state::Snapshot,
};

/// The generation in force, compiled again from what it was made from.
pub(crate) struct Force {
    pub(crate) snapshot: Snapshot,
    pub(crate) config: Config,
    pub(super) feeds: Feeds,
    pub(super) generation: Generation,
}

impl Force {
    /// Reads it.
    ///
    /// # Errors
    /// Nothing is loaded, or the state file is missing or of another version.
    pub(crate) fn read(places: &Places) -> Result<Self> {
        Self::compile(places, snapshot(places)?)
    }

    /// Reads a generation that was in force a moment ago.
    ///
    /// # Errors
    /// Its state file is missing or of another version.
    pub(super) fn numbered(places: &Places, number: u64) -> Result<Self> {
        Self::compile(places, numbered(places, number)?)
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
