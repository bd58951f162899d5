//! The generation in force: its number from the kernel, the rest from its state file.

use anyhow::{Context as _, Result, bail};

use crate::{
    daemon::Places,
    dataplane::{maps::Pinned, swap},
    state::{Snapshot, StateDir},
};

/// What the generation in force was made from, and what it came to.
///
/// # Errors
/// Nothing is loaded, or the state file is missing or of another version.
pub(crate) fn snapshot(places: &Places) -> Result<Snapshot> {
    let number = swap::enforced(Pinned(&places.pin_dir))?;
    if number == 0 {
        bail!("no generation is in force");
    }
    numbered(places, number)
}

/// The same of a generation that was in force a moment ago.
///
/// # Errors
/// Its state file is missing or of another version.
pub(crate) fn numbered(places: &Places, number: u64) -> Result<Snapshot> {
    let dir = places.state_dir.display();
    StateDir(&places.state_dir).load(number)?.with_context(|| {
        format!(
            "generation {number} is in force, but there is no file of it in {dir}: name the daemon's --state-dir, or restart the daemon"
        )
    })
}
