//! How much of the CPU something has used.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// CPU time that a thread has taken so far; of a process, its first thread.
pub fn time_of(id: u32) -> Result<Duration> {
    let path = format!("/proc/{id}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let nanoseconds = text.split(' ').next().unwrap_or_default();
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
