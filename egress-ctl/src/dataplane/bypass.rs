//! The kernel's word for the emergency lever: until when nothing is dropped.

use aya::maps::MapError;

use super::maps::{Pinned, PinnedError};

/// Why the lever cannot be moved or looked at.
#[derive(Debug, thiserror::Error)]
pub enum BypassError {
    /// The map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused.
    #[error("the kernel does not {what} its word for the bypass")]
    Kernel {
        /// What it should do.
        what: &'static str,
        /// Why not.
        source: MapError,
    },
}

impl BypassError {
    /// Whether nothing is loaded that could drop anything.
    pub fn is_not_loaded(&self) -> bool {
        matches!(self, Self::Pinned(PinnedError::NotLoaded(_)))
    }
}

/// Until when nothing is dropped, in boot-time ms; 0 is not at all.
///
/// # Errors
/// The map is not there, or the kernel does not read it.
pub fn until_ms(pinned: Pinned<'_>) -> Result<u64, BypassError> {
    let what = "read";
    let read = pinned.bypass()?.get(&0, 0);
    read.map_err(|source| BypassError::Kernel { what, source })
}

/// Says until when nothing is dropped; the next packet goes by it.
///
/// # Errors
/// The map is not there, or the kernel does not write it.
pub fn set(pinned: Pinned<'_>, until_ms: u64) -> Result<(), BypassError> {
    let what = "write";
    let written = pinned.bypass()?.set(0, &until_ms, 0);
    written.map_err(|source| BypassError::Kernel { what, source })
}
