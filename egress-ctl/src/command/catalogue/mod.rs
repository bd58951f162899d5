//! `egress-ctl catalogue`: endpoint sets, built in or of other sources.
//!
//! In: filters, selectors or files. Out: tables, lines for scripts, or JSON.

mod diff;
mod import;
mod lint;
mod list;
mod printed;
mod select;
mod show;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};

use self::{
    diff::Diff,
    import::Import,
    lint::Lint,
    list::List,
    select::{Export, Part, Selection},
    show::Show,
};
use super::output::print;
use crate::{
    catalogue::{Catalogue, finding::Finding},
    config::Config,
    daemon::Places,
    explain::words::printable,
    feed::standing::Feeds,
    schema::Kind,
};

/// Show, read and compare endpoint sets
#[derive(Debug, Subcommand)]
pub enum CatalogueCommand {
    /// List endpoint sets
    List(List),
    /// Show all that is known of a source or of endpoint sets
    Show(Show),
    /// Read endpoint sets from a page or the data of a service
    Import(Import),
    /// Report what is wrong with a catalogue or a file; fails on errors
    Lint(Lint),
    /// Compare two files or sources
    Diff(Diff),
    /// Print the prefixes of a selection, one a line
    Ips(Selection),
    /// Print the names of a selection, one a line
    Names(Selection),
    /// Print the ports of a selection, one a line
    Ports(Selection),
    /// Write a selection for another program
    Export(Export),
}

/// Whose catalogue is meant.
#[derive(Debug, Args)]
pub struct Which {
    /// The sources of this config rather than all built-in ones
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What its feeds brought.
    #[arg(skip)]
    feeds: Feeds,
}

impl Which {
    fn catalogue(&self) -> Result<Catalogue> {
        match &self.config {
            Some(path) => Ok(Config::read(path, &self.feeds)?.0.catalogue),
            None => Ok(Catalogue::builtin()?),
        }
    }
}

/// What is printed as JSON.
pub(crate) const KINDS: &[Kind] = &[diff::KIND, import::KIND, lint::KIND, printed::KIND];

impl CatalogueCommand {
    /// Prints what was asked for. A reader that closed the pipe has had enough: no error.
    ///
    /// # Errors
    /// What is unknown, and files that cannot be read.
    pub fn run(mut self, places: &Places) -> Result<()> {
        if let Some(which) = self.which() {
            which.feeds = Feeds::approved(&places.state_dir, BTreeMap::new());
        }
        match self {
            Self::Lint(lint) => {
                if !lint.run()? {
                    bail!("the findings above are reason to look");
                }
                Ok(())
            }
            other => print(&other.render()?),
        }
    }

    fn which(&mut self) -> Option<&mut Which> {
        match self {
            Self::List(List { which, .. })
            | Self::Show(Show { which, .. })
            | Self::Lint(Lint { which, .. })
            | Self::Diff(Diff { which, .. })
            | Self::Ips(Selection { which, .. })
            | Self::Names(Selection { which, .. })
            | Self::Ports(Selection { which, .. }) => Some(which),
            Self::Export(export) => Some(export.which()),
            Self::Import(_) => None,
        }
    }

    /// The text to print, with its final newline.
    fn render(self) -> Result<String> {
        match self {
            Self::List(list) => list.render(&list.which.catalogue()?),
            Self::Show(show) => show.render(&show.which.catalogue()?),
            Self::Import(import) => import.render(),
            Self::Lint(lint) => lint.render(),
            Self::Diff(diff) => diff.render(),
            Self::Ips(selection) => selection.render(Part::Ips),
            Self::Names(selection) => selection.render(Part::Names),
            Self::Ports(selection) => selection.render(Part::Ports),
            Self::Export(export) => export.render(),
        }
    }
}

/// Tells on standard error what was found in a file.
fn say_findings(file: &Path, findings: &[Finding]) {
    for finding in findings {
        let line = finding
            .line
            .map(|line| format!("{line}:"))
            .unwrap_or_default();
        let Finding {
            severity, message, ..
        } = finding;
        // Nobody may be listening; the result counts.
        let _: io::Result<()> = writeln!(
            io::stderr(),
            "{}:{line} {}: {}",
            file.display(),
            severity.name(),
            printable(message)
        );
    }
}

#[cfg(test)]
mod tests;
