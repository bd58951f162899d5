//! Clients and names under other names.
//!
//! In: an object of JSON, as `watch --json` prints it. Out: the same with each client, machine and name called by a
//! number, the same one each time, so that what belongs together still does.

use std::collections::HashMap;

use serde_json::Value;

/// Keys of what is masked, and what it is called instead.
const MASKED: [(&str, &str); 6] = [
    ("client", "client"),
    ("mac", "machine"),
    ("name", "name"),
    ("names", "name"),
    ("chain", "name"),
    ("interface", "interface"),
];

/// What was masked so far.
#[derive(Debug, Default)]
pub struct Mask {
    known: HashMap<(&'static str, String), usize>,
    counts: HashMap<&'static str, usize>,
}

impl Mask {
    /// The object with other names in it.
    pub fn apply(&mut self, object: &mut Value) {
        let Value::Object(fields) = object else {
            return;
        };
        for (key, value) in fields {
            if let Some((_, kind)) = MASKED.iter().find(|(masked, _)| masked == key) {
                self.hide(kind, value);
            }
        }
    }

    /// How many things of all kinds were masked.
    pub fn masked(&self) -> usize {
        self.known.len()
    }

    fn hide(&mut self, kind: &'static str, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.called(kind, text),
            Value::Array(all) => all.iter_mut().for_each(|one| self.hide(kind, one)),
            _ => {}
        }
    }

    fn called(&mut self, kind: &'static str, text: &str) -> String {
        let count = self.counts.entry(kind).or_default();
        let number = self
            .known
            .entry((kind, text.to_owned()))
            .or_insert_with(|| {
                *count += 1;
                *count
            });
        format!("{kind}-{number}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_belongs_together_still_does() {
        let mut mask = Mask::default();
        let mut first = json!({
            "client": "10.20.0.7", "name": "a.x", "names": ["*.x", "a.x"], "chain": [], "port": 443, "mac": null,
        });
        let mut second = json!({"client": "10.20.0.8", "name": "a.x", "destination": "192.0.2.1"});
        mask.apply(&mut first);
        mask.apply(&mut second);
        let names = json!(["name-1", "name-2"]);
        assert_eq!(
            first,
            json!({
                "client": "client-1", "name": first["name"], "names": names_of(&first, &names), "chain": [],
                "port": 443, "mac": null,
            })
        );
        assert_eq!(second["name"], first["name"]);
        assert_eq!(second["client"], "client-2");
        assert_eq!(second["destination"], "192.0.2.1");
        assert_eq!(mask.masked(), 4);
    }

    /// The two names, in whichever order they were met.
    fn names_of(object: &Value, both: &Value) -> Value {
        let mut seen = object["names"].clone();
        if let Value::Array(seen) = &mut seen {
            seen.sort_by_key(|name| name.as_str().map(str::to_owned));
        }
        assert_eq!(&seen, both);
        object["names"].clone()
    }
}
