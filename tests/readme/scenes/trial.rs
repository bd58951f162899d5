//! A gateway in mode audit, on which somebody dares to enforce.

use anyhow::Result;
use lab::config::catalogue;
use lab::host::Life;
use lab::topology::Lab;

use crate::readme::stage::Stage;

/// Nothing has happened.
pub fn set() -> Result<Stage> {
    let lab = Lab::build(Life::Bound)?;
    Ok(Stage::with_daemon(&lab, &catalogue("audit"))?.holding(lab))
}
