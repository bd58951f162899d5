//! What the program tells as JSON, held against the schemas that its packages have.
//!
//! In: a text. Out: what it says, if it is of a kind that is known and has what its schema promises, and nothing
//! besides.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, ensure};
use egress_ctl::schema::kinds;
use jsonschema::Validator;
use serde_json::{Value, json};

/// By the kind's name: compiled once a program.
static VALIDATORS: LazyLock<Mutex<HashMap<&'static str, Validator>>> =
    LazyLock::new(Mutex::default);

/// One object.
pub fn object(text: &[u8]) -> Result<Value> {
    let object = serde_json::from_slice(text);
    let object = object.with_context(|| format!("no JSON: {}", String::from_utf8_lossy(text)))?;
    check(&object)?;
    Ok(object)
}

/// One object a line.
pub fn lines(text: &[u8]) -> Result<Vec<Value>> {
    let text = std::str::from_utf8(text)?;
    text.lines().map(|line| object(line.as_bytes())).collect()
}

/// Checks that an object is what its kind promises.
pub fn check(object: &Value) -> Result<()> {
    let name = object["schema"].as_str();
    let name = name.with_context(|| format!("no `schema` in {object}"))?;
    check_as(name, object)
}

/// Checks that an object is what a kind promises: of files whose first line alone names it.
pub fn check_as(name: &str, object: &Value) -> Result<()> {
    let kind = kinds().into_iter().find(|kind| kind.name == name);
    let kind = kind.with_context(|| format!("{name} is of no schema"))?;
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    if !validators.contains_key(kind.name) {
        let validator = validator(kind.schema().to_value());
        let validator = validator.with_context(|| format!("the schema of {name}"))?;
        validators.insert(kind.name, validator);
    }
    let faults: Vec<String> = validators[kind.name]
        .iter_errors(object)
        .map(|fault| format!("{}: {fault}", fault.instance_path()))
        .collect();
    ensure!(
        faults.is_empty(),
        "{name}: {}\n{object:#}",
        faults.join("\n")
    );
    Ok(())
}

fn validator(mut schema: Value) -> Result<Validator> {
    close(&mut schema);
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&schema).map_err(|fault| anyhow!("{fault}"))
}

/// Lets objects have nothing but what is named. Whoever reads the schema may get more from a newer version; this
/// version prints what it says it does.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let has_fields = object.contains_key("properties");
    if has_fields && !object.contains_key("additionalProperties") {
        object.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    for (word, inside) in object {
        match (word.as_str(), inside) {
            ("properties" | "$defs", Value::Object(schemas)) => {
                schemas.values_mut().for_each(close);
            }
            // What is beside the fields is closed together with them.
            ("oneOf" | "anyOf" | "allOf", Value::Array(schemas)) if !has_fields => {
                schemas.iter_mut().for_each(close);
            }
            ("items" | "additionalProperties", schema) => close(schema),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_schema_does_not_promise_is_no_such_object() {
        let gap = json!({
            "schema": "egress.gap/1", "number": null, "time": "2026-11-22T07:00:00Z", "why": "lost", "count": 3,
        });
        check(&gap).unwrap();
        for (key, value) in [
            ("schema", json!("egress.gap/2")),
            ("schema", Value::Null),
            ("why", json!("forgotten")),
            ("time", json!("yesterday")),
            ("count", json!("3")),
            ("count", Value::Null),
            ("more", json!(1)),
        ] {
            let mut other = gap.clone();
            other[key] = value;
            assert!(check(&other).is_err(), "{other}");
        }
        for key in ["number", "time", "why", "count"] {
            let mut less = gap.clone();
            less.as_object_mut().unwrap().remove(key);
            assert!(check(&less).is_err(), "{less}");
        }
    }
}
