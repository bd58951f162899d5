//! A soak of three minutes: nothing that is thrown at the gateway breaks what it promises.
//!
//! Tests begin in the order of their names, and this one takes longest.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::pace;
use lab::soak;

/// Less where the machine is slow, and its kernel is one of several.
fn length() -> Duration {
    Duration::from_secs(if pace::is_slow() { 60 } else { 180 })
}

#[test]
fn a_gateway_under_everything_keeps_what_it_promises() -> Result<()> {
    let report = soak::run(length(), 7)?;
    ensure!(report.passed, "{:#?}", report.violations);
    ensure!(report.samples.len() > 1, "nothing was looked at");
    for (what, why) in report.skipped {
        println!("skipped: soak: {what}: {why}");
    }
    let traffic: u64 = report.thrown.iter().map(|(_, count)| count).sum();
    ensure!(traffic > 1000, "{:?}", report.thrown);
    Ok(())
}
