//! `egress-ctl bypass`: the emergency lever.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use rustix::process::geteuid;

use super::{enforce::in_ms, output::print};
use crate::{
    control::{Request, client::ask},
    daemon::Places,
    feed::person::{By, Person},
    lever::{
        bypass::{self, Moved},
        deadline::typed,
    },
};

/// Let everything pass in an emergency.
#[derive(Subcommand)]
pub enum BypassCommand {
    /// Drop nothing from now on, with a daemon or without, until `bypass off`
    On {
        /// End by itself after this time, such as 10m; also where no daemon runs
        #[arg(long = "for", value_name = "TIME", value_parser = typed)]
        time: Option<Duration>,
    },
    /// Drop again what the policy does not allow
    Off,
}

impl BypassCommand {
    /// Runs the command. Root moves the lever itself, whatever becomes of the daemon; others ask the daemon.
    ///
    /// # Errors
    /// The kernel refuses, or the disk does not note what outlives a reboot.
    pub fn run(self, places: &Places) -> Result<()> {
        let (on, time) = match self {
            Self::On { time } => (true, time),
            Self::Off => (false, None),
        };
        if !geteuid().is_root() {
            let within_ms = time.map(in_ms);
            let told = ask(&places.state_dir, &Request::Bypass { on, within_ms })?;
            return print(&format!("{told}\n"));
        }
        let moved = match on {
            true => bypass::begin(places, time, By::Person(Person::here()))?,
            false => bypass::end(places)?,
        };
        print(&format!("{}\n", moved.told(on, time)))?;
        match moved {
            Moved::InKernel(fault) => bail!("{fault}: {}", fault.source),
            Moved::Whole | Moved::OnDisk => Ok(()),
        }
    }
}
