//! The stamps that kept verdicts carry.

use aya::maps::MapError;
use egress_common::{cache::NO_STAMP, limits};

use super::maps::{Pinned, PinnedError};

/// Why a stamp cannot be renewed.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// The map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused.
    #[error("the kernel does not renew the stamp of verdicts that it keeps")]
    Kernel(#[from] MapError),
}

/// Gives a half a stamp that none had: verdicts that CPUs keep for it do not count any more.
///
/// # Errors
/// The map is not there, or the kernel refuses.
pub fn renew(pinned: Pinned<'_>, half: u32) -> Result<(), StampError> {
    let mut stamps = pinned.stamps()?;
    let mut newest = NO_STAMP;
    for half in 0..limits::HALVES {
        newest = newest.max(stamps.get(&half, 0)?);
    }
    // It would take an age of the world to begin again.
    let next = newest.checked_add(1).unwrap_or(NO_STAMP + 1);
    Ok(stamps.set(half, &next, 0)?)
}

/// The same for both halves.
///
/// # Errors
/// As [`renew`].
pub fn renew_all(pinned: Pinned<'_>) -> Result<(), StampError> {
    (0..limits::HALVES).try_for_each(|half| renew(pinned, half))
}
