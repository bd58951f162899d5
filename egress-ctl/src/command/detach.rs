//! `egress-ctl detach`: everything out of the kernel.

use anyhow::{Result, bail};
use clap::Args;

use super::output::print;
use crate::{
    daemon::{self, Places},
    dataplane::attach,
    dns::saved,
    proxy::route,
};

/// Take all programs off their interfaces and forget what was learned and counted.
#[derive(Args)]
pub struct Detach {}

impl Detach {
    /// Runs the command.
    ///
    /// # Errors
    /// A daemon runs, or a pin cannot be removed.
    pub fn run(self, places: &Places) -> Result<()> {
        if let Some(pid) = daemon::holder(&places.state_dir) {
            bail!("a daemon runs, as process {pid}: end it first with `kill {pid}`");
        }
        if !places.pin_dir.exists() {
            return print("nothing was attached\n");
        }
        let _lock = daemon::pins(&places.pin_dir)?;
        route::remove_now()?;
        let detached = attach::detach(&places.pin_dir)?;
        saved::forget(&places.state_dir)?;
        if detached.is_empty() {
            return print("nothing was attached\n");
        }
        for one in detached {
            print(&format!(
                "detached from {one}; nothing is filtered there any more\n"
            ))?;
        }
        Ok(())
    }
}
