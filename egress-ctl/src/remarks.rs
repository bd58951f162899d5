//! What the daemon has to tell of interfaces, for commands that run without it.
//!
//! One file in the state folder: by interface and topic what is remarkable, and since when.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::dataplane::attach::{Remark, Topic};

/// Remarks by interface and topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remarks(BTreeMap<String, BTreeMap<Topic, Told>>);

/// A remark, and when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Since when.
    pub since: Timestamp,
    /// What.
    pub text: String,
}

impl Remarks {
    /// Those of a state folder; none where there is no file that can be read.
    pub fn read(state_dir: &Path) -> Self {
        let text = fs::read(path(state_dir)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes them, whole or not at all.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn write(&self, state_dir: &Path) -> io::Result<()> {
        let mut new = tempfile::NamedTempFile::new_in(state_dir)?;
        new.write_all(&serde_json::to_vec(self)?)?;
        new.persist(path(state_dir))?;
        Ok(())
    }

    /// Takes a remark in; an empty one takes its topic away. Tells whether anything is new.
    pub fn take(&mut self, remark: Remark, now: Timestamp) -> bool {
        let Remark {
            interface,
            topic,
            text,
        } = remark;
        let of_interface = self.0.entry(interface).or_default();
        if text.is_empty() {
            return of_interface.remove(&topic).is_some();
        }
        let same = of_interface
            .get(&topic)
            .is_some_and(|told| told.text == text);
        // What was gone may go again: then the last time counts.
        if same && topic != Topic::Restored {
            return false;
        }
        of_interface.insert(topic, Told { since: now, text });
        true
    }

    /// Forgets interfaces that are not in `lan` any more.
    pub fn keep(&mut self, lan: &[String]) {
        self.0.retain(|interface, _| lan.contains(interface));
    }

    /// Those of an interface.
    pub fn of(&self, interface: &str) -> impl Iterator<Item = &Told> {
        self.0.get(interface).into_iter().flat_map(BTreeMap::values)
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("interfaces.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_replace_each_other_and_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut remarks = Remarks::read(dir.path());
        assert_eq!(remarks, Remarks::default());
        let now = Timestamp::UNIX_EPOCH;
        let remark = |topic, text: &str| Remark {
            interface: "lan".to_owned(),
            topic,
            text: text.to_owned(),
        };
        assert!(remarks.take(remark(Topic::Judged, "generic"), now));
        assert!(!remarks.take(remark(Topic::Judged, "generic"), now));
        assert!(remarks.take(remark(Topic::Restored, "back"), now));
        assert!(remarks.take(remark(Topic::Restored, "back"), now));
        assert!(remarks.take(remark(Topic::Judged, ""), now));
        remarks.write(dir.path()).unwrap();
        let mut remarks = Remarks::read(dir.path());
        let texts: Vec<_> = remarks.of("lan").map(|told| &told.text).collect();
        assert_eq!(texts, ["back"]);
        remarks.keep(&["wan".to_owned()]);
        assert_eq!(remarks.of("lan").count(), 0);
    }
}
