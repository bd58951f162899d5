//! Standard output and standard error, which somebody may close at any time.
//!
//! What is printed may hold what strangers chose: names, and what a service answered. None of it does anything to a
//! terminal.

use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
};

use anyhow::{Context as _, Result};
use ratatui::crossterm::terminal;
use serde::Serialize;

use crate::explain::words::{printable_json, printable_lines};

/// Prints a text; a reader that went away is no error.
pub(super) fn print(text: &str) -> Result<()> {
    write(&printable_lines(text))
}

/// Prints an object as JSON.
pub(super) fn print_json(object: &impl Serialize) -> Result<()> {
    write(&json(object)?)
}

/// An object as JSON in several lines.
pub(super) fn json(object: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(object).context("cannot write JSON")?;
    Ok(printable_json(&text) + "\n")
}

/// An object as JSON in a line, without the line's end.
pub(super) fn json_line(object: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(object).context("cannot write JSON")?;
    Ok(printable_json(&text))
}

fn write(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}

/// Says what is wrong, in a line of its own.
pub fn complain(what: impl Display) {
    let what = printable_lines(&what.to_string());
    // Where nobody listens, the rest still tells.
    let _: io::Result<()> = writeln!(io::stderr(), "egress-ctl: {what}");
}

/// Whether the terminal knows more than lines of text.
pub fn is_dumb() -> bool {
    env::var("TERM").map_or(true, |term| matches!(term.as_str(), "" | "dumb"))
}

/// Whether something may move on the terminal, such as a bar: who wants no colours wants text alone.
pub(super) fn moves() -> bool {
    !is_dumb() && env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// Columns of the terminal that is printed to; none where it is none, and text may be as wide as it is.
pub(super) fn room() -> Option<u16> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let size = terminal::size().ok().map(|(width, _)| width);
    size.filter(|width| *width > 0).or_else(columns)
}

/// What the environment says of it.
pub(super) fn columns() -> Option<u16> {
    let said = env::var("COLUMNS").ok()?.parse().ok()?;
    (said > 0).then_some(said)
}
