//! The clock that learned addresses expire by.

use rustix::time::{ClockId, clock_gettime};

/// The boot-time clock in ms, as the kernel's programs read it.
pub fn boot_ms() -> u64 {
    boot_ns() / 1_000_000
}

/// The same in ns.
pub fn boot_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
