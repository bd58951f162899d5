//! `dns export`: learned addresses into a file.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::seen::Seen;
use crate::{command::output::print, daemon::Places, dns::document, durable};

/// Write learned addresses to a file: a header in JSON, then one address a line.
#[derive(Args)]
pub struct Export {
    /// The file; standard output without it.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Export {
    pub(super) fn run(self, places: &Places) -> Result<()> {
        let seen = Seen::read(places)?;
        let known = seen.known();
        let text = document::write(&known, seen.clocks.wall);
        let Some(file) = self.file else {
            return print(&text);
        };
        let file = std::path::absolute(file)?;
        durable::replace(&file, text.as_bytes())?;
        print(&format!(
            "{} addresses are in {}\n",
            known.len(),
            file.display()
        ))
    }
}
