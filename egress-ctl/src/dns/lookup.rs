//! Names of single addresses, for commands: from the daemon, and where none runs from its files.

use std::{net::IpAddr, path::PathBuf, time::SystemTime};

use super::{
    file::NamesFile,
    names::{Names, Naming},
    socket,
};

/// Looks names up.
pub struct Lookup {
    state_dir: PathBuf,
    /// What the files held, and when they had been written.
    read: Option<(Option<SystemTime>, Names)>,
}

impl Lookup {
    /// In a folder of state.
    pub fn of(state_dir: PathBuf) -> Self {
        Self {
            state_dir,
            read: None,
        }
    }

    /// The names of an address, the one answered last first; none where no answer gave it, or where that was
    /// not heard.
    pub fn names(&mut self, address: IpAddr) -> Vec<Naming> {
        socket::ask(&self.state_dir, address).unwrap_or_else(|_| self.on_disk(address))
    }

    /// The files are read again only where they are others by now.
    fn on_disk(&mut self, address: IpAddr) -> Vec<Naming> {
        let file = NamesFile::of(&self.state_dir);
        let written = file.written();
        let read = match self.read.take() {
            Some(read) if read.0 == written => read,
            _ => (written, file.read().0),
        };
        let names = read.1.of(address).to_vec();
        self.read = Some(read);
        names
    }
}
