//! Any text as a config: what is accepted must compile, and its report of problems must not panic.

#![no_main]

use egress_ctl::{
    config::Config,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Config::parse(text) {
        Err(problems) => assert!(
            problems
                .iter()
                .all(|problem| !problem.to_string().is_empty()),
            "a refusal that says nothing"
        ),
        Ok(config) => {
            let circumstances = Circumstances {
                own: &[],
                today: "2026-01-01".parse().expect("a date"),
            };
            // A policy beyond the kernel's tables is refused, with words.
            if let Err(refusal) = compile(&config, circumstances, &mut Ids::default()) {
                assert!(
                    !refusal.to_string().is_empty(),
                    "a refusal that says nothing"
                );
            }
        }
    }
});
