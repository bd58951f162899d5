//! What the commands see: learned addresses, the generation in force, and names.

use std::{net::IpAddr, time::Duration};

use crate::{
    command::force::Force,
    command::output::complain,
    daemon::{self, Places},
    dataplane::{
        learned::{Entry, Table},
        maps::Pinned,
    },
    dns::{
        file::NamesFile,
        known::{Known, Reader},
        names::Names,
        time::Clocks,
    },
    explain::words,
};
use anyhow::Result;

/// All of it, at one moment.
pub(super) struct Seen {
    pub(super) force: Force,
    pub(super) table: Table,
    pub(super) entries: Vec<Entry>,
    pub(super) names: Names,
    pub(super) clocks: Clocks,
}

impl Seen {
    /// Reads it.
    ///
    /// # Errors
    /// Nothing is loaded, or the state file is missing or of another version.
    pub(super) fn read(places: &Places) -> Result<Self> {
        let force = Force::read(places)?;
        let table = Table::open(Pinned(&places.pin_dir))?;
        Ok(Self {
            force,
            entries: table.entries()?,
            table,
            names: names(places),
            clocks: Clocks::now(),
        })
    }

    /// All learned addresses.
    pub(super) fn known(&self) -> Vec<Known> {
        let Force {
            generation,
            snapshot,
            ..
        } = &self.force;
        let patterns = snapshot.ids.patterns();
        let reader = Reader::new(&patterns, self.clocks).with_policy(generation, &snapshot.ids);
        let entries = self.entries.iter();
        entries
            .map(|entry| reader.known(entry, &self.names))
            .collect()
    }
}

/// How long the daemon may take to write down what it knows.
const FRESHEN: Duration = Duration::from_secs(2);

/// The names that are known; what is wrong with their files is told.
pub(super) fn names(places: &Places) -> Names {
    let file = NamesFile::of(&places.state_dir);
    if daemon::holder(&places.state_dir).is_some() {
        file.freshen(FRESHEN);
    }
    let (names, complaints) = file.read();
    for complaint in complaints {
        complain(complaint);
    }
    names
}

/// A client's address.
pub(super) fn client(text: &str) -> Result<IpAddr, String> {
    let addr = text.parse().map(|addr: IpAddr| addr.to_canonical());
    addr.map_err(|_| format!("`{text}` is no address; write one such as 10.20.0.2"))
}

/// The first of some texts, and how many more there are.
pub(super) fn first_of<'a>(mut texts: impl Iterator<Item = &'a str>) -> String {
    let first = words::printable(texts.next().unwrap_or("-"));
    match texts.count() {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
