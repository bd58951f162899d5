//! Any text as change records of the web service: read, or refused by name.

#![no_main]

use egress_ctl::feed::{depth::is_too_deep, record::Records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if is_too_deep(text.as_bytes()) {
        return;
    }
    match Records::read(text) {
        Err(refusal) => assert!(!refusal.name().is_empty()),
        Ok(records) => {
            records.effective();
            records.duplicates();
            records.unknown_impacts();
        }
    }
});
