//! `egress-ctl enforce`: enforcing without fear, for it ends by itself unless somebody confirms it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{live, output::print};
use crate::{
    control::{Request, client::ask},
    daemon::Places,
    lever::deadline::typed,
};

/// Drop what is not allowed, and go back to what was before unless `egress-ctl confirm` comes in time.
#[derive(Args)]
pub struct Enforce {
    /// How long to wait for the confirmation, such as 5m
    #[arg(long, value_name = "TIME", value_parser = typed)]
    confirm_within: Duration,
    /// One group only
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(live::groups))]
    group: Option<String>,
}

impl Enforce {
    /// Runs the command.
    ///
    /// # Errors
    /// No daemon runs, or it refuses: then nothing has changed.
    pub fn run(self, places: &Places) -> Result<()> {
        let request = Request::Enforce {
            group: self.group,
            within_ms: in_ms(self.confirm_within),
        };
        print(&format!("{}\n", ask(&places.state_dir, &request)?))
    }
}

/// A time as requests name it.
pub(super) fn in_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
