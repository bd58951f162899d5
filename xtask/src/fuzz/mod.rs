//! Fuzzing by libFuzzer, with what cargo-fuzz builds.
//!
//! ```text
//! tests/fuzz ──> programs ──┐
//! tests/fuzz/seeds ─────────┼─> corpus, broken, log
//! golden packets, README ───┘
//! ```
//! In: a checkout. Out: what became of each target; inputs that are worth keeping, and those that broke one, in
//! `target/fuzz`.

pub(crate) mod build;
pub(crate) mod lanes;
pub(crate) mod outcome;
pub(crate) mod seeds;
pub(crate) mod target;

use std::path::PathBuf;

use crate::checkout::Checkout;

/// The crate of the targets, relative to the checkout.
const CRATE: &str = "tests/fuzz";

/// Everything that building and running leaves.
fn folder(checkout: &Checkout) -> PathBuf {
    checkout.target().join("fuzz")
}
