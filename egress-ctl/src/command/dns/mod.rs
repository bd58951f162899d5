//! `egress-ctl dns`: what DNS answers taught, and what clients tried without one. Works with and without a
//! daemon.

mod export;
mod flush;
mod import;
mod list;
mod overruns;
mod refused;
mod seen;
mod show;
mod unresolved;

use anyhow::Result;
use clap::Subcommand;

use self::{
    export::Export, flush::Flush, import::Import, list::List, overruns::Overruns, refused::Refused,
    show::Show, unresolved::Unresolved,
};
use crate::{daemon::Places, schema::Kind};

/// What is printed as JSON.
pub(crate) const KINDS: &[Kind] = &[
    flush::KIND,
    import::KIND,
    list::KIND,
    overruns::KIND,
    refused::KIND,
    show::KIND,
    unresolved::KIND,
];

/// See, take away and bring back what DNS answers taught
#[derive(Subcommand)]
pub enum DnsCommand {
    /// Learned addresses: names, patterns, groups, time left, connections
    List(List),
    /// All that is known of a name, a pattern or an address
    Show(Show),
    /// Forget learned addresses; new connections to them need a new answer
    Flush(Flush),
    /// Write learned addresses to a file, for another gateway or for later
    Export(Export),
    /// Learn what such a file holds, for the rest of its time
    Import(Import),
    /// Destinations that clients tried and nobody looked up
    Unresolved(Unresolved),
    /// Clients that go on using answers after their end, by name
    Overruns(Overruns),
    /// Addresses that answers gave and nobody may learn: private, internal, the gateway's own
    Refused(Refused),
}

impl DnsCommand {
    /// Runs the command.
    ///
    /// # Errors
    /// Nothing is loaded, what is asked for is not known, or a file cannot be used.
    pub fn run(self, places: &Places) -> Result<()> {
        match self {
            Self::List(list) => list.run(places),
            Self::Show(show) => show.run(places),
            Self::Flush(flush) => flush.run(places),
            Self::Export(export) => export.run(places),
            Self::Import(import) => import.run(places),
            Self::Unresolved(unresolved) => unresolved.run(places),
            Self::Overruns(overruns) => overruns.run(places),
            Self::Refused(refused) => refused.run(places),
        }
    }
}
