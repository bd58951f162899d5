//! What every target does with a text: read it, lint it, and export and read it again.

use egress_ctl::catalogue::{
    export::{Proxy, Target, export},
    lint::lint,
    source::format::Format,
};

/// Reads a text and uses what it gives.
pub fn read(format: Format, text: &str) {
    let Ok(page) = format.read(text, "fuzz") else {
        return;
    };
    let sets: Vec<_> = page.sets.iter().collect();
    lint(&sets, "2026-01-01".parse().expect("a date"));
    let json = export(Target::Json, &sets, &Proxy::default());
    let again = Format::WebService
        .read(&json, "fuzz")
        .expect("JSON of egress");
    assert_eq!(again.sets.len(), sets.len());
}
