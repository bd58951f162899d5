//! Looks at what goes on: in the kernel's maps and in the state folder. Works without a daemon.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use anyhow::Result;
use jiff::Timestamp;

use super::sight::{Named, Sight};
use crate::{
    daemon::{self, Places},
    dataplane::{boot_ns, learned, maps::Pinned},
    dns::{
        file::NamesFile,
        names::{Line, Names, Naming},
    },
    metrics::{gather::Gatherer, paced::Pace},
};

/// Names of one look.
const NAMES: usize = 100;

/// Looks, as often as it is asked to; what takes long it looks at less often.
pub struct Looker {
    places: Places,
    gatherer: Gatherer,
    traffic: Pace,
    connections: Pace,
    names: Pace,
    /// When the names that were read had been written.
    written: Option<SystemTime>,
}

impl Looker {
    /// One that has seen nothing yet.
    pub fn new(places: &Places) -> Self {
        Self {
            places: places.clone(),
            gatherer: Gatherer::new(places),
            traffic: Pace::default(),
            connections: Pace::default(),
            names: Pace::default(),
            written: None,
        }
    }

    /// What there is to see now.
    ///
    /// # Errors
    /// Nothing is loaded, or maps and state cannot be read.
    pub fn look(&mut self) -> Result<Sight> {
        let facts = self.gatherer.look()?;
        let pinned = Pinned(&self.places.pin_dir);
        let ids = self.gatherer.ids();
        let traffic = self.traffic.when_due(|| daemon::counted(pinned, ids));
        let connections = self
            .connections
            .when_due(|| learned::connections(pinned))
            .transpose()?;
        Ok(Sight {
            at: Duration::from_nanos(boot_ns()),
            time: Timestamp::now(),
            facts,
            traffic: traffic.transpose()?,
            connections,
            names: self.names(),
        })
    }

    /// The names that were written since it was looked last; the first time all that there are.
    fn names(&mut self) -> Option<Vec<Named>> {
        let file = NamesFile::of(&self.places.state_dir);
        let written = file.written()?;
        if self.written == Some(written) {
            return None;
        }
        let is_first = self.written.is_none();
        let read = || match is_first {
            true => file.read().0,
            false => file.news(),
        };
        let names = self.names.when_due(read)?;
        self.written = Some(written);
        Some(newest(&names))
    }
}

fn newest(names: &Names) -> Vec<Named> {
    let mut named: Vec<_> = names
        .lines()
        .flat_map(|line| match line {
            Line::Address { address, names } => named(address, names),
            Line::Refused(_) => Vec::new(),
        })
        .collect();
    named.sort_by(|one, other| (other.last, &one.name).cmp(&(one.last, &other.name)));
    named.truncate(NAMES);
    named
}

fn named(address: IpAddr, names: Vec<Naming>) -> Vec<Named> {
    let names = names.into_iter().map(|naming| Named {
        name: naming.name,
        address,
        pattern: naming.pattern,
        client: naming.clients.first().copied(),
        last: naming.last,
    });
    names.collect()
}
