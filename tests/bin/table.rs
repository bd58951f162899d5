//! Aligned lines on standard output, coloured only on a terminal that wants colours.

use std::fmt::Arguments;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::presets::NOTHING;
use lab::flow::{Flow, Outcome};
use lab::status::{Action, Count};

const PLAIN: Style = Style::new();
const BOLD: Style = Style::new().bold();
const FAMILY: usize = 6;

/// A table whose rows are printed one by one, so its widths are known at the start.
pub(crate) struct Table {
    what: usize,
    verdict: usize,
}

impl Table {
    /// Prints the head.
    pub(crate) fn begin(flows: &[Flow]) -> Result<Self> {
        let width = |width: &dyn Fn(&Flow) -> usize| flows.iter().map(width).max().unwrap_or(0);
        let table = Self {
            what: width(&|flow| flow.what.len()),
            verdict: width(&|flow| flow.expected.to_string().len()),
        };
        let verdict = table.verdict;
        line(format_args!(
            "{BOLD}{:what$}  {:FAMILY$}  {:verdict$}  {:verdict$}  {:>7}{BOLD:#}",
            "what",
            "family",
            "expected",
            "seen",
            "time",
            what = table.what,
        ))?;
        Ok(table)
    }

    /// Prints one outcome.
    pub(crate) fn row(&self, outcome: &Outcome) -> Result<()> {
        let style = colour(outcome);
        line(format_args!(
            "{:what$}  {:FAMILY$}  {:verdict$}  {style}{:verdict$}{style:#}  {:>4} ms{}",
            outcome.what,
            outcome.family,
            outcome.expected,
            outcome.seen,
            outcome.milliseconds,
            if outcome.passed {
                ""
            } else {
                "  <- NOT as announced"
            },
            what = self.what,
            verdict = self.verdict,
        ))
    }
}

/// The counters as a table.
pub(crate) fn counters(counts: &[Count]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(NOTHING);
    table.set_header(["counted", "reason", "packets"]);
    table.add_rows(counts.iter().map(|count| {
        [
            count.action.to_string(),
            count.reason.clone(),
            count.packets.to_string(),
        ]
    }));
    table
}

/// Prints a line at once.
pub(crate) fn line(text: Arguments<'_>) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

fn colour(outcome: &Outcome) -> Style {
    if !outcome.passed {
        return AnsiColor::Red.on_default().bold();
    }
    match outcome.seen.verdict {
        Action::Allow => AnsiColor::Green.on_default(),
        Action::Drop | Action::Reject => AnsiColor::Yellow.on_default(),
        Action::WouldDrop => PLAIN,
    }
}
