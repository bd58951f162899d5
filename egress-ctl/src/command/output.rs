//! Standard output, which somebody may close at any time.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Prints a text; a reader that went away is no error.
pub(super) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Prints an object as JSON.
pub(super) fn print_json(object: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(object).context("cannot write JSON")?;
    text.push('\n');
    print(&text)
}
