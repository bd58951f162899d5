//! Whether this machine is a guest of the harness, made for tests and thrown away behind them.

use std::path::Path;

/// What the harness packs into the root folder of a guest, and nobody else has there.
const PLAN: &str = "/egress-vm/plan";

/// Whether what is the whole machine's, such as its clock, may be changed here.
pub fn is_disposable() -> bool {
    Path::new(PLAN).exists()
}
