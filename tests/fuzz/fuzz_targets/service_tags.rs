//! Azure's service tags: no text may make the importer panic, and what it reads must pass the lint.

#![no_main]

use egress_ctl::catalogue::source::format::Format;
use libfuzzer_sys::fuzz_target;

mod read;

fuzz_target!(|text: &str| read::read(Format::ServiceTags, text));
