//! What the manual's examples need: a gateway in mode audit, and one that follows the web service.

use anyhow::Result;
use lab::config::catalogue;

use super::{feed, resolve, staging};
use crate::readme::stage::Stage;

const NAME: &str = "enterpriseregistration.windows.net";

/// A name was answered, and another config lies beside the one in force.
pub fn audited() -> Result<Stage> {
    let site = staging::site()?;
    let stage = Stage::with_daemon(&site.lab, &catalogue("audit"))?;
    std::fs::write(site.lab.path("new.toml"), catalogue("audit"))?;
    resolve(&site.lab.client, NAME)?;
    Ok(stage.holding(site))
}

/// There is a list to go back to.
pub fn following() -> Result<Stage> {
    feed::in_quarantine()
}
