//! Which feed a command is about.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{
    config::Config,
    daemon::Places,
    feed::{
        settings::Settings,
        standing::{Feed, Feeds},
    },
    state::StateDir,
};

/// Which source is meant, and where it is described.
#[derive(Debug, Default, Args)]
pub struct Which {
    /// The config; without it that of the generation in force
    #[arg(long, value_name = "FILE", env = "EGRESS_CONFIG")]
    config: Option<PathBuf>,
}

impl Which {
    /// The sources that follow the web service; `source` alone, if it is named.
    pub(crate) fn feeds(&self, places: &Places, source: Option<&str>) -> Result<Vec<Feed>> {
        let newest = StateDir(&places.state_dir).newest().ok().flatten();
        let path = self.config.clone();
        let path = path.or_else(|| newest.as_ref().map(|snapshot| snapshot.config.clone()));
        let path = path.context("no generation is in force: name the config with --config FILE")?;
        let in_force = newest.map_or_else(BTreeMap::new, |snapshot| snapshot.feeds);
        let feeds = Feeds::approved(&places.state_dir, in_force);
        let (Config { feeds: all, .. }, _) = Config::read(&path, &feeds)?;
        let names: Vec<_> = all
            .iter()
            .map(|feed| feed.settings.source.clone())
            .collect();
        if names.is_empty() {
            let path = path.display();
            bail!("{path}: no source has kind = \"web-service\"");
        }
        let Some(source) = source else {
            return Ok(all);
        };
        let named = |feed: &Feed| feed.settings.source.eq_ignore_ascii_case(source);
        let all: Vec<_> = all.into_iter().filter(named).collect();
        if all.is_empty() {
            bail!(
                "`{source}` does not follow the web service; {} do",
                names.join(", ")
            );
        }
        Ok(all)
    }

    /// The one source that is meant.
    pub(crate) fn settings(&self, places: &Places, source: Option<&str>) -> Result<Settings> {
        let feeds = self.feeds(places, source)?;
        match <[Feed; 1]>::try_from(feeds) {
            Ok([feed]) => Ok(feed.settings),
            Err(feeds) => {
                let names = feeds.iter().map(|feed| feed.settings.source.as_str());
                let names: Vec<_> = names.collect();
                bail!("name one of {}", names.join(", "))
            }
        }
    }
}
