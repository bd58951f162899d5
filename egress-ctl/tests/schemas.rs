//! The schemas that packages bring along are those that the program prints. They say what they said before, and
//! perhaps more: `EGRESS_RECORD_SCHEMAS=1 cargo test -p egress-ctl --test schemas` writes what was added.

#[path = "schemas/losses.rs"]
mod losses;

use std::{collections::BTreeSet, env, ffi::OsString, fs, path::PathBuf};

use egress_ctl::schema::kinds;
use losses::losses;
use serde_json::Value;

const RECORD: &str = "EGRESS_RECORD_SCHEMAS";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schemas")
}

#[test]
fn nothing_is_taken_away_and_what_is_added_is_shipped() {
    for kind in kinds() {
        let file = folder().join(kind.file());
        let new = kind.schema().to_value();
        let old: Option<Value> = fs::read_to_string(&file)
            .ok()
            .map(|text| serde_json::from_str(&text).unwrap());
        let lost = old.iter().flat_map(|old| losses(old, &new));
        let lost: Vec<_> = lost.collect();
        assert!(
            lost.is_empty(),
            "{}: whoever reads it breaks; keep this, or give the kind its next number:\n{}",
            kind.name,
            lost.join("\n")
        );
        if old.as_ref() != Some(&new) {
            let how = format!("{RECORD}=1 cargo test -p egress-ctl --test schemas");
            assert!(
                env::var_os(RECORD).is_some(),
                "{}: there is more: {how}",
                kind.name
            );
            fs::write(&file, serde_json::to_string_pretty(&new).unwrap() + "\n").unwrap();
        }
    }
}

#[test]
fn no_kind_is_gone() {
    let known: BTreeSet<OsString> = kinds().iter().map(|kind| kind.file().into()).collect();
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name();
        assert!(known.contains(&name), "{name:?} is of no kind any more");
    }
}
