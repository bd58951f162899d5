//! What a schema said, and another one does not say any more.

use std::collections::BTreeSet;

use serde_json::Value;

/// Words that mean the same only where their values are the same.
const SAME: [&str; 4] = ["type", "format", "const", "pattern"];
/// Words with alternatives.
const ALTERNATIVES: [&str; 3] = ["oneOf", "anyOf", "allOf"];
/// Words for what is inside.
const INSIDE: [&str; 2] = ["items", "additionalProperties"];

/// What reading by the old schema relies on and the new one does not promise, each with its place.
pub fn losses(old: &Value, new: &Value) -> Vec<String> {
    Compared { old, new }.losses("", old, new)
}

/// Two schemas, as wholes: references lead into them.
struct Compared<'a> {
    old: &'a Value,
    new: &'a Value,
}

impl<'a> Compared<'a> {
    fn losses(&self, place: &str, old: &'a Value, new: &'a Value) -> Vec<String> {
        let (old, new) = (meant(self.old, old), meant(self.new, new));
        let mut lost = Vec::new();
        for word in SAME {
            if old[word] != new[word] {
                lost.push(format!(
                    "{place}: {word} was {}, is {}",
                    old[word], new[word]
                ));
            }
        }
        for word in ["required", "enum"] {
            for gone in texts(&old[word]).difference(&texts(&new[word])) {
                lost.push(format!("{place}: {gone} is not in `{word}` any more"));
            }
        }
        for (name, old) in old["properties"].as_object().into_iter().flatten() {
            let place = format!("{place}/{name}");
            match new["properties"].get(name) {
                Some(new) => lost.extend(self.losses(&place, old, new)),
                None => lost.push(format!("{place} is gone")),
            }
        }
        for word in INSIDE.into_iter().filter(|word| old[*word].is_object()) {
            let place = format!("{place}/{word}");
            lost.extend(self.losses(&place, &old[word], &new[word]));
        }
        for word in ALTERNATIVES {
            lost.extend(self.fewer(&format!("{place}/{word}"), &old[word], &new[word]));
        }
        lost
    }

    /// Alternatives that none is like any more.
    fn fewer(&self, place: &str, old: &'a Value, new: &'a Value) -> Option<String> {
        let new = new.as_array();
        let is_there = |one: &&Value| {
            let mut all = new.into_iter().flatten();
            all.any(|other| self.losses(place, one, other).is_empty())
        };
        let mut old = old.as_array().into_iter().flatten();
        let gone = old.find(|one| !is_there(one))?;
        Some(format!(
            "{place}: nothing is like {} any more",
            meant(self.old, gone)
        ))
    }
}

/// What a reference refers to.
fn meant<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let referred = schema["$ref"]
        .as_str()
        .and_then(|to| root.pointer(to.strip_prefix('#')?));
    referred.unwrap_or(schema)
}

fn texts(values: &Value) -> BTreeSet<&str> {
    values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sample() -> Value {
        json!({
            "type": "object",
            "properties": {
                "schema": {"const": "egress.sample/1", "type": "string"},
                "sets": {"type": "array", "items": {"$ref": "#/$defs/Set"}},
                "mode": {"anyOf": [{"$ref": "#/$defs/Mode"}, {"type": "null"}]},
            },
            "required": ["schema", "sets", "mode"],
            "$defs": {
                "Set": {
                    "type": "object",
                    "properties": {"packets": {"type": "integer"}, "name": {"type": ["string", "null"]}},
                    "required": ["packets", "name"],
                },
                "Mode": {"type": "string", "enum": ["audit", "enforce"]},
            },
        })
    }

    #[test]
    fn what_is_taken_away_or_changed_is_lost() {
        for (at, to, lost) in [
            (
                "/properties/schema/const",
                json!("egress.sample/2"),
                ": const was",
            ),
            (
                "/properties/sets",
                json!({"type": "array"}),
                "/sets/items: type was",
            ),
            ("/properties/sets/type", json!("object"), "/sets: type was"),
            (
                "/$defs/Set/properties/packets/type",
                json!("string"),
                "/sets/items/packets: type",
            ),
            (
                "/$defs/Set/properties",
                json!({"bytes": {}}),
                "/sets/items/name is gone",
            ),
            (
                "/$defs/Set/properties/name/type",
                json!("string"),
                "/sets/items/name: type",
            ),
            (
                "/$defs/Set/required",
                json!(["packets"]),
                "/sets/items: name is not in `required`",
            ),
            (
                "/$defs/Mode/enum",
                json!(["audit", "on"]),
                "/mode/anyOf: nothing is like",
            ),
            (
                "/properties/mode/anyOf/1/type",
                json!("integer"),
                "/mode/anyOf: nothing is like",
            ),
        ] {
            let mut new = sample();
            *new.pointer_mut(at).unwrap() = to;
            let said = losses(&sample(), &new).join("\n");
            assert!(said.contains(lost), "{at}: {said}");
        }
    }

    #[test]
    fn what_is_added_or_said_in_other_words_loses_nothing() {
        for (at, to) in [
            ("/required", json!(["schema", "sets", "mode", "count"])),
            ("/$defs/Mode/enum", json!(["audit", "enforce", "off"])),
            (
                "/properties/mode",
                json!({"description": "How.", "anyOf": [{"$ref": "#/$defs/Mode"}, {"type": "null"}]}),
            ),
            (
                "/$defs/Set/properties",
                json!({"packets": {"type": "integer"}, "name": {"type": ["string", "null"]}, "bytes": {}}),
            ),
        ] {
            let mut new = sample();
            *new.pointer_mut(at).unwrap() = to;
            assert_eq!(losses(&sample(), &new), Vec::<String>::new(), "{at}");
        }
        assert_eq!(losses(&sample(), &sample()), Vec::<String>::new());
    }
}
