//! Numbers that stay with their names over generations.
//!
//! Learned addresses name patterns by id and counters name endpoint sets by id, and both outlive a
//! generation: so a name keeps its id for as long as the kernel's maps live.

use std::collections::{BTreeMap, HashMap};

use egress_common::limits;
use serde::{Deserialize, Serialize};

use super::meet;

/// Ids by name; ids of patterns and of groups begin at 1, those of sets at 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    patterns: BTreeMap<String, u32>,
    sets: BTreeMap<String, u16>,
    groups: BTreeMap<String, u8>,
}

/// More names than the kernel's maps have places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {limit} {what} since the maps were made: `egress-ctl detach` and a new start make new ones"
)]
pub struct OutOfIds {
    what: &'static str,
    limit: u32,
}

impl Ids {
    /// The id of a pattern, or of a meeting of several, given now if it is new.
    ///
    /// # Errors
    /// All ids are given.
    pub fn pattern(&mut self, pattern: &str) -> Result<u32, OutOfIds> {
        let next = self.patterns.len() as u32 + 1;
        if let Some(id) = self.patterns.get(pattern) {
            return Ok(*id);
        }
        if next >= limits::PATTERNS {
            let limit = limits::PATTERNS - 1;
            return Err(OutOfIds {
                what: "name patterns",
                limit,
            });
        }
        self.patterns.insert(pattern.to_owned(), next);
        Ok(next)
    }

    /// The endpoint set's id, given now if it is new.
    ///
    /// # Errors
    /// All ids are given.
    pub fn set(&mut self, key: &str) -> Result<u16, OutOfIds> {
        let next = self.sets.len() as u32;
        if let Some(id) = self.sets.get(key) {
            return Ok(*id);
        }
        if next >= limits::SETS {
            let limit = limits::SETS;
            return Err(OutOfIds {
                what: "endpoint sets",
                limit,
            });
        }
        self.sets.insert(key.to_owned(), next as u16);
        Ok(next as u16)
    }

    /// The place of the group's counters, given now if it is new.
    ///
    /// # Errors
    /// All places are given.
    pub fn group(&mut self, name: &str) -> Result<u8, OutOfIds> {
        if let Some(place) = self.groups.get(name) {
            return Ok(*place);
        }
        let next = self.groups.len() as u32 + 1;
        if next > limits::GROUP_NAMES {
            return Err(OutOfIds {
                what: "names of groups",
                limit: limits::GROUP_NAMES,
            });
        }
        self.groups.insert(name.to_owned(), next as u8);
        Ok(next as u8)
    }

    /// All groups and the places of their counters.
    pub fn groups(&self) -> impl Iterator<Item = (&str, u8)> {
        self.groups
            .iter()
            .map(|(name, place)| (name.as_str(), *place))
    }

    /// The id of a pattern; none where it never had one.
    pub fn pattern_id(&self, pattern: &str) -> Option<u32> {
        self.patterns.get(pattern).copied()
    }

    /// All patterns by their ids.
    pub fn patterns(&self) -> HashMap<u32, String> {
        let named = self.patterns.iter();
        named.map(|(pattern, id)| (*id, pattern.clone())).collect()
    }

    /// How many ids of patterns were given; they are 1 to this number.
    pub fn patterns_given(&self) -> u32 {
        self.patterns.len() as u32
    }

    /// All meetings of patterns and their ids.
    pub fn meetings(&self) -> impl Iterator<Item = (String, u32)> {
        let all = self.patterns.iter().map(|(text, id)| (text.clone(), *id));
        all.filter(|(text, _)| meet::is_meeting(text))
    }

    /// The endpoint set with an id.
    pub fn set_named(&self, id: u16) -> Option<&str> {
        let found = self.sets.iter().find(|(_, given)| **given == id);
        found.map(|(key, _)| key.as_str())
    }

    /// All sets and their ids.
    pub fn sets(&self) -> impl Iterator<Item = (&str, u16)> {
        self.sets.iter().map(|(key, id)| (key.as_str(), *id))
    }

    /// The pattern with an id.
    pub fn pattern_named(&self, id: u32) -> Option<&str> {
        let found = self.patterns.iter().find(|(_, given)| **given == id);
        found.map(|(pattern, _)| pattern.as_str())
    }
}

const _: () = assert!(limits::SETS < egress_common::verdict::NO_SET as u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_id() {
        let mut ids = Ids::default();
        assert_eq!(ids.pattern("*.a.b").unwrap(), 1);
        assert_eq!(ids.pattern("*.c.d").unwrap(), 2);
        assert_eq!(ids.pattern("*.a.b").unwrap(), 1);
        assert_eq!(ids.set("intune:163").unwrap(), 0);
        assert_eq!(ids.set_named(0), Some("intune:163"));
        assert_eq!(ids.pattern_named(2), Some("*.c.d"));
        assert_eq!(ids.pattern_named(3), None);
    }

    #[test]
    fn names_and_ids_are_told_in_both_directions() {
        let mut ids = Ids::default();
        for pattern in ["*.c.d", "*.a.b", "*.a.b & *.c.d"] {
            ids.pattern(pattern).unwrap();
        }
        for set in ["m365:2", "m365:1"] {
            ids.set(set).unwrap();
        }
        for group in ["staff", "guests"] {
            ids.group(group).unwrap();
        }
        let patterns = [(1, "*.c.d"), (2, "*.a.b"), (3, "*.a.b & *.c.d")];
        let named = patterns.map(|(id, text)| (id, text.to_owned()));
        assert_eq!(ids.patterns(), HashMap::from(named));
        assert_eq!(ids.patterns_given(), 3);
        for (id, text) in patterns {
            assert_eq!(ids.pattern_id(text), Some(id));
            assert_eq!(ids.pattern_named(id), Some(text));
        }
        assert_eq!(ids.pattern_id("*.e.f"), None);
        let meetings: Vec<_> = ids.meetings().collect();
        assert_eq!(meetings, [("*.a.b & *.c.d".to_owned(), 3)]);
        let sets: Vec<_> = ids.sets().collect();
        assert_eq!(sets, [("m365:1", 1), ("m365:2", 0)]);
        assert_eq!(ids.set_named(1), Some("m365:1"));
        assert_eq!(ids.set_named(2), None);
        let groups: Vec<_> = ids.groups().collect();
        assert_eq!(groups, [("guests", 2), ("staff", 1)]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut ids = Ids::default();
        for i in 1..limits::PATTERNS {
            ids.pattern(&i.to_string()).unwrap();
        }
        let refused = ids.pattern("one more").unwrap_err().to_string();
        assert!(
            refused.starts_with("more than 65535 name patterns"),
            "{refused}"
        );
        assert_eq!(ids.pattern("7").unwrap(), 7, "the ids given stay");
        for i in 0..limits::SETS {
            ids.set(&i.to_string()).unwrap();
        }
        assert!(ids.set("one more").is_err());
        assert_eq!(ids.set("7").unwrap(), 7, "the ids given stay");
        for i in 1..=limits::GROUP_NAMES {
            assert_eq!(u32::from(ids.group(&i.to_string()).unwrap()), i);
        }
        assert!(ids.group("one more").is_err());
        assert_eq!(ids.group("7").unwrap(), 7, "the ids given stay");
    }
}
