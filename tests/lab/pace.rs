//! How much a test does: everything, but where the machine is slow only as much as shows the same.

use std::env;

/// What says so; the harness sets it in VMs whose processor is emulated.
const SLOW: &str = "EGRESS_SLOW";

/// Whether this machine is so slow that tests have to do with less.
pub fn is_slow() -> bool {
    env::var_os(SLOW).is_some()
}
