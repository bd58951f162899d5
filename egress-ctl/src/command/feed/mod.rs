//! `egress-ctl feed`: what the web service brought, and what becomes of it.

pub(crate) mod decide;
pub(crate) mod diff;
mod history;
mod intune;
pub(crate) mod quarantine;
pub(crate) mod status;
mod takeover;
mod which;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(super) use self::takeover::{Takeover, take_over};
pub(crate) use self::which::Which;
use self::{
    decide::{Approve, Reject, Rollback},
    diff::Diff,
    history::History,
    status::Status,
};
use crate::{daemon::Places, schema::Kind};

/// What is printed as JSON.
pub(crate) const KINDS: &[Kind] = &[decide::KIND, diff::KIND, history::KIND, status::KIND];

/// See and decide what the Microsoft 365 web service changes
#[derive(Subcommand)]
#[command(after_help = EXIT_CODES)]
pub enum FeedCommand {
    /// When it was asked, what is approved, what waits, what is in quarantine, what was refused
    Status(Status),
    /// What the candidate would change, set by set
    Diff(Diff),
    /// Let the candidate in
    Approve(Approve),
    /// Do without the candidate; later versions are compared anew
    Reject(Reject),
    /// Who decided what, when; and the generations that can be gone back to
    History(History),
    /// Go back to a generation of the feed
    Rollback(Rollback),
}

/// Of `feed` and `sync`.
pub(super) const EXIT_CODES: &str = "Exit codes: 0 all is well; 1 the command failed; 3 the service's last \
     answer was refused, and what was approved before stays; 64 words that it does not know";

/// Exit code where a refusal stands.
pub(super) const REFUSED: u8 = 3;

impl FeedCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// There is no such source, its files cannot be used, or there is nothing to decide.
    pub fn run(self, places: &Places) -> Result<ExitCode> {
        match self {
            Self::Status(status) => status.run(places),
            Self::Diff(diff) => diff.run(places),
            Self::Approve(approve) => approve.run(places),
            Self::Reject(reject) => reject.run(places),
            Self::History(history) => history.run(places),
            Self::Rollback(rollback) => rollback.run(places),
        }
    }
}
