//! What endpoint sets reach, whatever words they use for it.
//!
//! In: endpoint sets. Out: what of a name or prefix they do not reach, by protocol and port. Two
//! halves reach what the whole does; a pattern reaches every name below it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use egress_common::pattern::NamePattern;
use ipnet::IpNet;

use super::{
    piece::{Entry, Piece, entries, pieces},
    reach::Reach,
};
use crate::catalogue::set::EndpointSet;

/// What some endpoint sets reach together.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    prefixes: BTreeMap<IpNet, Reach>,
    /// Lengths of the prefixes, apart for each family.
    lengths: [BTreeSet<u8>; 2],
    /// By reversed name, NUL behind exact ones, as the kernel's trie has them.
    names: BTreeMap<Vec<u8>, Reach>,
    /// Patterns with a head.
    headed: BTreeMap<NamePattern, Reach>,
}

impl Coverage {
    /// What the sets reach.
    pub fn of<'a>(sets: impl IntoIterator<Item = &'a EndpointSet>) -> Self {
        let mut coverage = Self::default();
        for set in sets {
            let reach = Reach::of(set);
            for entry in entries(set) {
                coverage.add(&entry, &reach);
            }
        }
        coverage
    }

    /// What the pieces reach.
    pub fn of_pieces(pieces: &[Piece]) -> Self {
        let mut coverage = Self::default();
        for piece in pieces {
            coverage.add(&piece.entry, &piece.reach);
        }
        coverage
    }

    fn add(&mut self, entry: &Entry, reach: &Reach) {
        let known = match entry {
            Entry::Prefix(prefix) => {
                if let Some(lengths) = self.lengths.get_mut(family(prefix)) {
                    lengths.insert(prefix.prefix_len());
                }
                self.prefixes.entry(*prefix).or_default()
            }
            Entry::Name(name) => match name.key() {
                Some(key) => self.names.entry(key.prefix().to_vec()).or_default(),
                None => self.headed.entry(name.clone()).or_default(),
            },
        };
        *known = known.union(reach);
    }

    /// What of a piece is not reached: nothing, the piece, or parts of it.
    pub fn lacks(&self, piece: &Piece) -> Vec<Piece> {
        let Piece { entry, reach } = piece;
        match entry {
            Entry::Prefix(prefix) => {
                let left = self.wider(*prefix, reach);
                let left = self.narrowed(*prefix, left).into_iter();
                let piece = |(prefix, reach)| Piece {
                    entry: Entry::Prefix(prefix),
                    reach,
                };
                left.map(piece).collect()
            }
            Entry::Name(name) => {
                let reach = self.left_of_name(name, reach);
                let entry = entry.clone();
                let left = (!reach.is_empty()).then_some(Piece { entry, reach });
                left.into_iter().collect()
            }
        }
    }

    /// What the prefixes that contain this one leave of its ports.
    fn wider(&self, prefix: IpNet, reach: &Reach) -> Reach {
        let mut left = reach.clone();
        let lengths = self.lengths.get(family(&prefix)).into_iter().flatten();
        for length in lengths.take_while(|length| **length <= prefix.prefix_len()) {
            let wide = IpNet::new(prefix.network(), *length).map(|wide| wide.trunc());
            if let Some(known) = wide.ok().and_then(|wide| self.prefixes.get(&wide)) {
                left = left.minus(known);
            }
        }
        left
    }

    /// What the prefixes inside this one leave of it.
    fn narrowed(&self, prefix: IpNet, left: Reach) -> Vec<(IpNet, Reach)> {
        if left.is_empty() {
            return Vec::new();
        }
        let behind = (Bound::Excluded(prefix), Bound::Unbounded);
        let mut behind = self.prefixes.range::<IpNet, _>(behind);
        let has_inside = behind.next().is_some_and(|(next, _)| prefix.contains(next));
        let halves = match (has_inside, prefix.prefix_len() + 1) {
            (true, longer) => prefix.subnets(longer).ok(),
            (false, _) => None,
        };
        let Some(halves) = halves else {
            return vec![(prefix, left)];
        };
        let parts: Vec<_> = halves
            .flat_map(|half| {
                let own = self.prefixes.get(&half);
                let left = own.map_or_else(|| left.clone(), |own| left.minus(own));
                self.narrowed(half, left)
            })
            .collect();
        match parts.as_slice() {
            // Both halves as they were.
            [(one, a), (other, b)]
                if a == b
                    && [one, other].map(IpNet::prefix_len) == [prefix.prefix_len() + 1; 2] =>
            {
                vec![(prefix, a.clone())]
            }
            _ => parts,
        }
    }

    fn left_of_name(&self, name: &NamePattern, reach: &Reach) -> Reach {
        let reversed: Vec<u8> = match name {
            NamePattern::HeadTail { tail, .. } => tail.bytes().rev().collect(),
            _ => name
                .key()
                .map(|key| key.prefix().to_vec())
                .unwrap_or_default(),
        };
        let mut left = reach.clone();
        for length in 1..=reversed.len() {
            let wide = reversed.get(..length);
            if let Some(known) = wide.and_then(|wide| self.names.get(wide)) {
                left = left.minus(known);
            }
        }
        for (wide, known) in &self.headed {
            if is_within(name, wide) {
                left = left.minus(known);
            }
        }
        left
    }
}

/// What the sets reach and `coverage` does not.
pub fn minus<'a>(
    sets: impl IntoIterator<Item = &'a EndpointSet>,
    coverage: &Coverage,
) -> Vec<Piece> {
    let all = pieces(sets);
    all.iter().flat_map(|piece| coverage.lacks(piece)).collect()
}

fn family(prefix: &IpNet) -> usize {
    usize::from(matches!(prefix, IpNet::V6(_)))
}

/// Whether a pattern with a head matches all that `name` does.
fn is_within(name: &NamePattern, wide: &NamePattern) -> bool {
    match (name, wide) {
        (NamePattern::Exact(name), wide) => wide.matches(name),
        (
            NamePattern::HeadTail { head, tail },
            NamePattern::HeadTail {
                head: wide_head,
                tail: wide_tail,
            },
        ) => head.starts_with(wide_head) && tail.ends_with(wide_tail),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
