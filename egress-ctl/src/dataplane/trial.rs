//! What the kernel knows of a generation on trial.

use std::{thread, time::Duration};

use aya::maps::MapError;
use egress_common::trial::{NEVER_MS, Trial};

use super::{
    maps::{Pinned, PinnedError},
    swap::SwapError,
};

fn of(source: MapError) -> SwapError {
    let table = "trials";
    SwapError::Write { table, source }
}

/// The trial that the kernel knows, over or not; [`Trial::default`] where there is none.
///
/// # Errors
/// The map is not there, or the kernel does not read it.
pub fn known(pinned: Pinned<'_>) -> Result<Trial, SwapError> {
    match pinned.trial() {
        Ok(map) => map.get(&0, 0).map_err(of),
        // A daemon of a version before trials loaded the maps.
        Err(PinnedError::NotLoaded(_)) => Ok(Trial::default()),
        Err(fault) => Err(fault.into()),
    }
}

/// Notes a trial, before its generation is in force; or with [`Trial::default`] that there is none.
///
/// # Errors
/// The map is not there, or the kernel does not write it.
pub fn note(pinned: Pinned<'_>, trial: Trial) -> Result<(), SwapError> {
    pinned.trial()?.set(0, &trial, 0).map_err(of)
}

/// Lets the generation on trial hold for good. One word changes, so that no packet sees a half of it.
///
/// # Errors
/// The map is not there, or the kernel does not write it.
pub fn confirm(pinned: Pinned<'_>, trial: Trial) -> Result<(), SwapError> {
    let until_ms = NEVER_MS;
    note(pinned, Trial { until_ms, ..trial })
}

/// How long a program may take with a packet that it began to judge by the clock of a moment ago.
const REST: Duration = Duration::from_millis(20);

/// Lets the generation before hold again, and ends the trial; then no packet uses the other tables any more.
///
/// # Errors
/// A map is not there, or the kernel does not write it.
pub fn go_back(pinned: Pinned<'_>, trial: Trial) -> Result<(), SwapError> {
    let mut in_force = pinned.generation()?;
    let written = in_force.set(0, &trial.back, 0);
    written.map_err(|source| SwapError::Write {
        table: "generations",
        source,
    })?;
    note(pinned, Trial::default())?;
    thread::sleep(REST);
    Ok(())
}
