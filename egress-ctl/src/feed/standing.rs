//! What of a feed holds now, read from its files, with what is done where they are damaged.
//!
//! In: the settings of a source. Out: the edition that its sets are taken from. It never is an empty
//! one because of a damage: the edition before is taken then, and that is told.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    edition::Edition,
    settings::Settings,
    sha::Sha,
    state::State,
    store::{Folder, StoreError},
};
use crate::catalogue::source::SourceError;

/// Where the sets of feeds are taken from.
#[derive(Clone, Debug, Default)]
pub enum Feeds {
    /// What egress brings along.
    #[default]
    Base,
    /// What is approved.
    Approved {
        /// The folder of state.
        state_dir: PathBuf,
        /// What the generation in force was made from: taken where the rest is damaged.
        in_force: BTreeMap<String, Sha>,
    },
    /// What a generation was made from.
    Of {
        /// The folder of state.
        state_dir: PathBuf,
        /// Its editions.
        editions: BTreeMap<String, Sha>,
    },
}

/// A source that follows the web service, and what holds of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// What the config says.
    pub settings: Settings,
    /// The edition that holds; none of what egress brings along.
    pub blob: Option<Sha>,
    /// What the administrator should know.
    pub warnings: Vec<String>,
}

/// Why a feed has no sets.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The edition that a generation was made from is gone.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Wrong built-in data.
    #[error(transparent)]
    Base(#[from] SourceError),
}

impl Feeds {
    /// What is approved, read from the folder of state.
    pub fn approved(state_dir: &Path, in_force: BTreeMap<String, Sha>) -> Self {
        Self::Approved {
            state_dir: state_dir.to_owned(),
            in_force,
        }
    }

    /// The edition of a source, restricted to what its settings ask for.
    ///
    /// # Errors
    /// There is none, not even an older one.
    pub fn edition(&self, settings: &Settings) -> Result<(Feed, Edition), FeedError> {
        let mut warnings = Vec::new();
        let held = match self {
            Self::Base => None,
            Self::Approved {
                state_dir,
                in_force,
            } => {
                let folder = Folder::of(state_dir, &settings.source);
                approved(&folder, in_force.get(&settings.source), &mut warnings)
            }
            Self::Of {
                state_dir,
                editions,
            } => match editions.get(&settings.source) {
                Some(blob) => {
                    let folder = Folder::of(state_dir, &settings.source);
                    Some((blob.clone(), folder.edition(blob)?))
                }
                None => None,
            },
        };
        let (blob, edition) = match held {
            Some((blob, edition)) => (Some(blob), edition),
            None => (None, Edition::base(&settings.question, &settings.source)?),
        };
        let instance = &settings.question.instance;
        if !edition.instance.eq_ignore_ascii_case(instance) {
            warnings.push(format!(
                "the data is still that of instance {}, until {instance} was fetched",
                edition.instance
            ));
        }
        let feed = Feed {
            settings: settings.clone(),
            blob,
            warnings: warnings
                .into_iter()
                .map(|warning| format!("source `{}`: {warning}", settings.source))
                .collect(),
        };
        Ok((feed, edition.restricted(&settings.question)))
    }
}

/// The approved edition, or the best that is left of it.
fn approved(
    folder: &Folder,
    in_force: Option<&Sha>,
    warnings: &mut Vec<String>,
) -> Option<(Sha, Edition)> {
    let state = match folder.read() {
        Ok(read) => {
            let damaged = read.damaged.iter();
            warnings.extend(
                damaged.map(|fault| format!("DAMAGED STATE: {fault}; the one before holds")),
            );
            Some(read.state)
        }
        Err(fault) => {
            warnings.push(format!("DAMAGED STATE: {fault}"));
            None
        }
    };
    if state
        .as_ref()
        .is_some_and(|state| state.approved().is_none())
    {
        return None;
    }
    let generations = state
        .iter()
        .flat_map(|state: &State| state.generations.iter().rev());
    let blobs = generations.map(|generation| generation.blob.clone());
    for blob in blobs.chain(in_force.cloned()) {
        match folder.edition(&blob) {
            Ok(edition) => return Some((blob, edition)),
            Err(fault) => {
                warnings.push(format!("DAMAGED STATE: {fault}; the edition before holds"));
            }
        }
    }
    let newest = folder.editions().into_iter();
    let newest = newest.max_by(|(_, one), (_, other)| one.version.cmp(&other.version));
    if newest.is_none() {
        warnings.push("no edition can be read: what egress brings along holds".to_owned());
    }
    newest
}

#[cfg(test)]
mod tests;
