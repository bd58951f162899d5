//! `egress-ctl confirm`: what is on trial holds for good.

use anyhow::Result;
use clap::Args;

use super::output::print;
use crate::{
    control::{Request, client::ask},
    daemon::Places,
};

/// Let hold what is on trial, and write it into the config.
#[derive(Args)]
pub struct Confirm {
    /// Also from the session that began it, which shows less than a new connection does
    #[arg(long)]
    same_session: bool,
    /// Go back to what was before instead, at once
    #[arg(long, conflicts_with = "same_session")]
    give_up: bool,
}

impl Confirm {
    /// Runs the command.
    ///
    /// # Errors
    /// No daemon runs, nothing is on trial, or it is too late.
    pub fn run(self, places: &Places) -> Result<()> {
        let same_session = self.same_session;
        let request = match self.give_up {
            true => Request::GiveUp,
            false => Request::Confirm { same_session },
        };
        print(&format!("{}\n", ask(&places.state_dir, &request)?))
    }
}
