//! What a new edition changes, set by set, in words.
//!
//! In: endpoint sets before and after. Out: what comes and what goes with its ports, by what is
//! reachable: a prefix that is replaced by its halves does not change. A set is told by its id.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    coverage::{Coverage, minus},
    edition::{Edition, id, is_duplicate},
    piece::{Entry, Piece},
    record::Records,
};
use crate::catalogue::set::{Category, EndpointSet};

/// All changes, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Sets in which something changes.
    pub sets: Vec<SetDifference>,
}

/// The changes of one set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetDifference {
    /// Its id.
    pub id: u32,
    /// What it is after the change, or was where it is gone.
    pub attributes: Attributes,
    /// What it was, where that differs.
    pub before: Option<Attributes>,
    /// What comes.
    pub added: Vec<Added>,
    /// What goes.
    pub removed: Vec<Removed>,
}

/// What selectors know a set by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Service area.
    pub area: String,
    /// Category.
    pub category: Category,
    /// Whether the service fails without it.
    pub required: bool,
}

/// Something that comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// What, on which ports.
    pub piece: Piece,
    /// From when it should be used, as the service says.
    pub effective: Option<Date>,
}

/// Something that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// What, on which ports.
    pub piece: Piece,
    /// Other sets of the new edition that reach all of it.
    pub elsewhere: Vec<u32>,
    /// Whether the service calls it a duplicate of what stays.
    pub duplicate: bool,
}

impl Attributes {
    /// Those of a set.
    pub fn of(set: &EndpointSet) -> Self {
        Self {
            area: set.service_area.clone().unwrap_or_default(),
            category: set.category,
            required: set.required,
        }
    }

    /// A set with these.
    pub(super) fn give(&self, set: &mut EndpointSet) {
        set.service_area = Some(self.area.clone());
        set.category = self.category;
        set.required = self.required;
    }

    fn need(&self) -> &'static str {
        if self.required {
            "required"
        } else {
            "optional"
        }
    }
}

/// Sets by id, without what stays as a duplicate: it is published no more, and goes nowhere.
pub(super) fn by_id(sets: &[EndpointSet]) -> BTreeMap<u32, Vec<&EndpointSet>> {
    let mut all: BTreeMap<u32, Vec<&EndpointSet>> = BTreeMap::new();
    for set in sets.iter().filter(|set| !is_duplicate(set)) {
        all.entry(id(set)).or_default().push(set);
    }
    all
}

impl Difference {
    /// What becomes different when `new` takes the place of `old`.
    pub fn between(old: &Edition, new: &Edition, records: &Records) -> Self {
        let effective = records.effective();
        let duplicates = records.duplicates();
        let everything = Coverage::of(&new.sets);
        let (old, new) = (by_id(&old.sets), by_id(&new.sets));
        let coverages: BTreeMap<u32, Coverage> = new
            .iter()
            .map(|(id, sets)| (*id, Coverage::of(sets.iter().copied())))
            .collect();
        let elsewhere = |piece: &Piece| -> Vec<u32> {
            if !everything.lacks(piece).is_empty() {
                return Vec::new();
            }
            let reach_it = |(_, coverage): &(&u32, &Coverage)| coverage.lacks(piece).is_empty();
            coverages
                .iter()
                .filter(reach_it)
                .map(|(id, _)| *id)
                .collect()
        };
        let ids: BTreeSet<u32> = old.keys().chain(new.keys()).copied().collect();
        let sets = ids.into_iter().filter_map(|id| {
            let [before, after] =
                [&old, &new].map(|sets| sets.get(&id).map_or(&[][..], Vec::as_slice));
            let [was, is] = [before, after].map(|sets| Coverage::of(sets.iter().copied()));
            let attributes = |sets: &[&EndpointSet]| sets.first().map(|set| Attributes::of(set));
            let added = minus(after.iter().copied(), &was)
                .into_iter()
                .map(|piece| Added {
                    effective: date(&effective, id, &piece.entry),
                    piece,
                });
            let removed = minus(before.iter().copied(), &is)
                .into_iter()
                .map(|piece| Removed {
                    elsewhere: elsewhere(&piece),
                    duplicate: duplicates.contains(&(id, piece.entry.clone())),
                    piece,
                });
            let (was, is) = (attributes(before), attributes(after));
            let difference = SetDifference {
                id,
                before: was
                    .clone()
                    .filter(|was| is.as_ref().is_some_and(|is| is != was)),
                attributes: is.or(was)?,
                added: added.collect(),
                removed: removed.collect(),
            };
            (!difference.is_empty()).then_some(difference)
        });
        Self {
            sets: sets.collect(),
        }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// One change a line.
    pub fn lines(&self) -> Vec<Line> {
        self.sets.iter().flat_map(SetDifference::lines).collect()
    }
}

/// The date of an entry; that of a prefix which holds it where only part of it is new.
fn date(dates: &BTreeMap<(u32, Entry), Date>, id: u32, entry: &Entry) -> Option<Date> {
    if let Some(date) = dates.get(&(id, entry.clone())) {
        return Some(*date);
    }
    let Entry::Prefix(part) = entry else {
        return None;
    };
    let holds = |(set, known): &&(u32, Entry)| match known {
        Entry::Prefix(prefix) => *set == id && prefix.contains(part),
        Entry::Name(_) => false,
    };
    let wide = dates.keys().find(holds)?;
    dates.get(wide).copied()
}

impl SetDifference {
    fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty() && self.before.is_none()
    }

    fn lines(&self) -> Vec<Line> {
        let line = |sign, what: String, note| Line {
            id: self.id,
            area: self.attributes.area.clone(),
            category: self.attributes.category.name(),
            sign,
            what,
            note,
        };
        let mut lines = Vec::new();
        if let Some(before) = &self.before {
            lines.push(line(Sign::Changed, self.attributes.unlike(before), None));
        }
        for added in &self.added {
            let note = added.effective.map(|date| format!("effective {date}"));
            lines.push(line(Sign::Added, added.piece.to_string(), note));
        }
        for removed in &self.removed {
            lines.push(line(
                Sign::Removed,
                removed.piece.to_string(),
                removed.note(),
            ));
        }
        lines
    }
}

impl Attributes {
    /// What is different, and how.
    fn unlike(&self, before: &Self) -> String {
        let (was, is) = (before.category.name(), self.category.name());
        let attributes = [
            ("service area", before.area.as_str(), self.area.as_str()),
            ("category", was, is),
            ("need", before.need(), self.need()),
        ];
        let different = attributes.iter().filter(|(_, was, is)| was != is);
        let words: Vec<_> = different
            .map(|(name, was, is)| format!("{name} {was} to {is}"))
            .collect();
        words.join(", ")
    }
}

impl Removed {
    /// Whether the service says that it stays reachable, and it does not.
    pub fn must_stay(&self) -> bool {
        self.duplicate && self.elsewhere.is_empty()
    }

    fn note(&self) -> Option<String> {
        if self.must_stay() {
            return Some("called a duplicate, but nothing else reaches it: it stays".to_owned());
        }
        let others: Vec<_> = self.elsewhere.iter().map(ToString::to_string).collect();
        (!others.is_empty()).then(|| format!("reached through id {} too", others.join(", ")))
    }
}

/// What happens to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// It comes.
    Added,
    /// It goes.
    Removed,
    /// The set is known by other words.
    Changed,
}

/// One change, in words.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Line {
    /// The set.
    pub id: u32,
    /// Its service area.
    pub area: String,
    /// Its category.
    pub category: &'static str,
    /// What happens.
    #[serde(rename = "kind")]
    pub sign: Sign,
    /// To what, with its ports.
    pub what: String,
    /// What else is known of it.
    pub note: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::Added => "+",
            Sign::Removed => "-",
            Sign::Changed => "",
        };
        let Self {
            id,
            area,
            category,
            what,
            ..
        } = self;
        write!(f, "id {id} {area}/{category}: {sign}{what}")?;
        match &self.note {
            Some(note) => write!(f, ", {note}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
