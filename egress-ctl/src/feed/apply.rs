//! What becomes of the approved edition when a candidate is there.
//!
//! In: both, what differs, the rules and the time. Out: the next approved edition, and which changes
//! wait for a person. Pure: the same in gives the same out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{
    coverage::{Coverage, minus},
    difference::{Attributes, Difference, Removed, SetDifference, by_id},
    edition::{DUPLICATE, Edition, KEPT, Quarantined, id, is_duplicate},
    piece::{Piece, gathered, pieces},
    settings::{Consent, Removals, Rules},
};
use crate::catalogue::set::EndpointSet;

/// What the rules make of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The next approved edition.
    pub edition: Edition,
    /// Kinds of changes that wait.
    pub waits: Vec<&'static str>,
}

/// Applies of `candidate` to `approved` what the rules let.
pub fn apply(
    source: &str,
    approved: &Edition,
    candidate: &Edition,
    difference: &Difference,
    rules: &Rules,
    now: Timestamp,
) -> Applied {
    let mut step = Step {
        rules,
        now,
        candidate,
        next: Edition {
            sets: Vec::new(),
            quarantine: Vec::new(),
            ..candidate.clone()
        },
        waits: BTreeMap::new(),
    };
    let changes: BTreeMap<u32, &SetDifference> =
        difference.sets.iter().map(|set| (set.id, set)).collect();
    let (old, new) = (by_id(&approved.sets), by_id(&candidate.sets));
    for (id, sets) in &new {
        step.published(
            sets,
            old.get(id).map_or(&[], Vec::as_slice),
            changes.get(id).copied(),
        );
    }
    for (id, sets) in old.iter().filter(|(id, _)| !new.contains_key(id)) {
        if let Some(change) = changes.get(id) {
            step.lost(sets, change);
        }
    }
    step.carry_duplicates(approved);
    step.carry(approved);
    step.next.name(source);
    Applied {
        edition: step.next,
        waits: step.waits.into_keys().collect(),
    }
}

/// Without the quarantine that is over; none where nothing is.
pub fn expired(source: &str, approved: &Edition, now: Timestamp) -> Option<Edition> {
    let mut next = approved.clone();
    next.quarantine.retain(|part| part.until > now);
    if next.quarantine.len() == approved.quarantine.len() {
        return None;
    }
    next.name(source);
    Some(next)
}

/// The next edition while it is made.
struct Step<'a> {
    rules: &'a Rules,
    now: Timestamp,
    candidate: &'a Edition,
    next: Edition,
    waits: BTreeMap<&'static str, ()>,
}

impl Step<'_> {
    /// A set that is published.
    fn published(
        &mut self,
        sets: &[&EndpointSet],
        old: &[&EndpointSet],
        change: Option<&SetDifference>,
    ) {
        let Some(change) = change else {
            self.next.sets.extend(sets.iter().map(|set| (*set).clone()));
            return;
        };
        let mut sets = self.without_additions(sets, change);
        if let Some(before) = &change.before {
            match self.rules.changes {
                Consent::Ask => {
                    self.waits.insert("changes", ());
                    sets.iter_mut().for_each(|set| before.give(set));
                }
                // Groups that know the set by its old words lose it: to them all of it goes.
                Consent::Apply => self.removed(old, &pieces(old.iter().copied())),
            }
        }
        self.next.sets.append(&mut sets);
        if change.before.is_none() || self.rules.changes == Consent::Ask {
            self.lost(old, change);
        }
    }

    /// The published sets, without what is new where that waits.
    fn without_additions(
        &mut self,
        sets: &[&EndpointSet],
        change: &SetDifference,
    ) -> Vec<EndpointSet> {
        if change.added.is_empty() || self.rules.additions == Consent::Apply {
            return sets.iter().map(|set| (*set).clone()).collect();
        }
        self.waits.insert("additions", ());
        let new: Vec<Piece> = change
            .added
            .iter()
            .map(|added| added.piece.clone())
            .collect();
        let new = Coverage::of_pieces(&new);
        let Some(first) = sets.first() else {
            return Vec::new();
        };
        gathered(&minus(sets.iter().copied(), &new), first)
    }

    /// What of a set is no longer published.
    fn lost(&mut self, old: &[&EndpointSet], change: &SetDifference) {
        let (stay, go): (Vec<_>, Vec<_>) = change
            .removed
            .iter()
            .partition(|removed| removed.must_stay());
        let only = |removed: Vec<&Removed>| -> Vec<Piece> {
            removed
                .into_iter()
                .map(|removed| removed.piece.clone())
                .collect()
        };
        self.keep(old, &only(stay), DUPLICATE);
        self.removed(old, &only(go));
    }

    fn removed(&mut self, old: &[&EndpointSet], pieces: &[Piece]) {
        if pieces.is_empty() {
            return;
        }
        match self.rules.removals {
            Removals::After(0) => {}
            Removals::After(days) => self.quarantine(old, pieces, days),
            Removals::Ask => {
                self.waits.insert("removals", ());
                self.keep(old, pieces, KEPT);
            }
        }
    }

    fn quarantine(&mut self, old: &[&EndpointSet], pieces: &[Piece], days: u16) {
        let Some(like) = old.first() else {
            return;
        };
        let days = SignedDuration::from_hours(24 * i64::from(days));
        let until = self.now.checked_add(days).unwrap_or(Timestamp::MAX);
        let parts = gathered(pieces, like).into_iter().map(|set| Quarantined {
            set,
            since: self.now,
            until,
            version: self.candidate.version.clone(),
        });
        self.next.quarantine.extend(parts);
    }

    /// Keeps pieces for good, known as the set was.
    fn keep(&mut self, old: &[&EndpointSet], pieces: &[Piece], stays: &str) {
        let Some(like) = old.first() else {
            return;
        };
        let mut kept = gathered(pieces, like);
        for set in &mut kept {
            set.key = format!("{}:{}{stays}", set.source, id(set));
        }
        self.next.sets.append(&mut kept);
    }

    /// What stays as a duplicate, as far as nothing else reaches it meanwhile.
    fn carry_duplicates(&mut self, approved: &Edition) {
        let coverage = Coverage::of(&self.next.sets);
        for set in approved.sets.iter().filter(|set| is_duplicate(set)) {
            self.next
                .sets
                .extend(gathered(&minus([set], &coverage), set));
        }
    }

    /// What was in quarantine before stays there, as far as nothing reaches it again.
    fn carry(&mut self, approved: &Edition) {
        let sets = by_id(&self.next.sets);
        let mut carried = Vec::new();
        for part in &approved.quarantine {
            let attributes = Attributes::of(&part.set);
            let again = sets.get(&id(&part.set)).into_iter().flatten();
            let again = again
                .filter(|set| Attributes::of(set) == attributes)
                .copied();
            let left = minus([&part.set], &Coverage::of(again));
            let left = gathered(&left, &part.set).into_iter();
            carried.extend(left.map(|set| Quarantined {
                set,
                ..part.clone()
            }));
        }
        carried.append(&mut self.next.quarantine);
        self.next.quarantine = carried;
    }
}

#[cfg(test)]
mod tests;
