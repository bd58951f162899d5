//! What was approved of a feed, as far as it is kept.

use std::path::Path;

use super::{edition::Edition, settings::Settings, state::Generation, store::Folder};

/// Generations and their editions, the newest first; without those that cannot be read.
pub fn approved(state_dir: &Path, settings: &Settings) -> Vec<(Generation, Edition)> {
    let folder = Folder::of(state_dir, &settings.source);
    let Ok(read) = folder.read() else {
        return Vec::new();
    };
    let generations = read.state.generations.into_iter().rev();
    let kept = generations.filter_map(|generation| {
        let edition = folder.edition(&generation.blob).ok()?;
        Some((generation, edition.restricted(&settings.question)))
    });
    kept.collect()
}
