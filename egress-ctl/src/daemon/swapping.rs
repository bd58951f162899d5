//! A compiled generation into the kernel's tables, with all that outlives it on disk before.

use std::{path::Path, sync::Arc};

use anyhow::Result;

use super::{Past, Places, enforce::Force, history::Historian, names::Bookkeeper};
use crate::{
    dataplane::{
        maps::Pinned,
        swap::{self, Next},
    },
    history::teller::Words,
    policy::ids::Ids,
    state::{Made, Snapshot, StateDir, Summary},
};

/// What is to be swapped in.
pub(super) struct Swap<'a> {
    pub(super) force: &'a Force,
    pub(super) ids: Ids,
    /// LAN interfaces that are there, and their indices.
    pub(super) interfaces: Vec<(String, u32)>,
    /// By the boot-time clock in ms; for good where there is none.
    pub(super) until_ms: Option<u64>,
}

/// What of a daemon a swap changes and reads.
pub(super) struct Swapping<'a> {
    pub(super) config: &'a Path,
    pub(super) places: &'a Places,
    pub(super) past: &'a mut Past,
    pub(super) names: &'a Bookkeeper,
    pub(super) history: Option<&'a Historian>,
}

impl Swapping<'_> {
    /// Swaps a generation in. Its snapshot is on disk before the kernel knows its number.
    pub(super) fn swap(self, swap: Swap<'_>) -> Result<()> {
        let Swap {
            force,
            ids,
            interfaces,
            until_ms,
        } = swap;
        let made = Made {
            config: self.config.to_owned(),
            text: force.text.clone(),
            own: force.own.clone(),
            today: force.today,
            ids,
            summary: Summary::of(&force.config, &force.generation),
        };
        let editions = force.config.editions();
        let snapshot = Snapshot::new(self.past.next(), made).with_feeds(editions);
        let state = StateDir(&self.places.state_dir);
        state.save(&snapshot)?;
        if until_ms.is_some() {
            // Whoever goes back to it must not give an id twice that was learned by meanwhile.
            state.lend_ids(self.past.in_force, &snapshot.ids)?;
        }
        let Snapshot {
            number, ids, feeds, ..
        } = snapshot;
        let next = Next {
            generation: &force.generation,
            number,
            before: self.past.in_force,
            patterns_given: ids.patterns_given(),
            interfaces: &interfaces,
            until_ms,
        };
        // Before the first packet is judged by it.
        tell((self.names, self.history), force, (number, &ids));
        swap::swap(Pinned(&self.places.pin_dir), next)?;
        *self.past = Past {
            in_force: number,
            last: number,
            ids,
            feeds,
        };
        state.prune();
        Ok(())
    }
}

/// Tells who keeps names and events what a generation calls what.
pub(super) fn tell(
    (names, history): (&Bookkeeper, Option<&Historian>),
    force: &Force,
    (number, ids): (u64, &Ids),
) {
    let patterns = Arc::new(ids.patterns());
    names.know(Arc::clone(&patterns), force.config.dns.restore);
    if let Some(history) = history {
        history.know(Words::of(number, &force.generation, ids, patterns));
    }
}
