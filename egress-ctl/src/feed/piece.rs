//! Names and prefixes one by one, each with its ports; and endpoint sets made of such again.
//!
//! An endpoint set has the same ports for all that it lists. What is left of it after a subtraction
//! may not, so pieces are gathered into one set for each list of ports.

use std::{
    collections::{BTreeMap, btree_map::Entry as Place},
    fmt,
};

use egress_common::pattern::NamePattern;
use ipnet::IpNet;

use super::reach::Reach;
use crate::{catalogue::set::EndpointSet, prefix::canonical};

/// A name or a prefix.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A prefix.
    Prefix(IpNet),
    /// A pattern of names.
    Name(NamePattern),
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix(prefix) => prefix.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// A name or a prefix, and the ports on which it is reachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What is reachable.
    pub entry: Entry,
    /// Where.
    pub reach: Reach,
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.entry, self.reach.text())
    }
}

/// Everything that a set lists.
pub fn entries(set: &EndpointSet) -> impl Iterator<Item = Entry> + '_ {
    let prefixes = set
        .ips
        .iter()
        .map(|prefix| Entry::Prefix(canonical(*prefix)));
    prefixes.chain(set.urls.iter().cloned().map(Entry::Name))
}

/// All that the sets list, each entry once with all its ports.
pub fn pieces<'a>(sets: impl IntoIterator<Item = &'a EndpointSet>) -> Vec<Piece> {
    let mut all: BTreeMap<Entry, Reach> = BTreeMap::new();
    for set in sets {
        let reach = Reach::of(set);
        for entry in entries(set) {
            match all.entry(entry) {
                Place::Vacant(place) => {
                    place.insert(reach.clone());
                }
                Place::Occupied(mut known) => {
                    let both = known.get().union(&reach);
                    known.insert(both);
                }
            }
        }
    }
    all.into_iter()
        .map(|(entry, reach)| Piece { entry, reach })
        .collect()
}

/// Sets that list the pieces, otherwise as `like` is, keys aside: one set for each list of ports.
pub fn gathered(pieces: &[Piece], like: &EndpointSet) -> Vec<EndpointSet> {
    let mut by_reach: BTreeMap<String, EndpointSet> = BTreeMap::new();
    for piece in pieces {
        let set = by_reach
            .entry(piece.reach.text())
            .or_insert_with(|| EndpointSet {
                urls: Vec::new(),
                ips: Vec::new(),
                tcp_ports: piece.reach.tcp.clone(),
                udp_ports: piece.reach.udp.clone(),
                ..like.clone()
            });
        match &piece.entry {
            Entry::Prefix(prefix) => set.ips.push(*prefix),
            Entry::Name(name) => set.urls.push(name.clone()),
        }
    }
    by_reach.into_values().collect()
}
