//! Tables on standard output.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

/// Columns that hold numbers.
const NUMBERS: &[&str] = &[
    "packets",
    "bytes",
    "replies",
    "reply bytes",
    "messages",
    "events",
    "hits",
    "count",
    "drops",
    "answers",
];

/// Adds a table behind an empty line; nothing where there are no rows.
pub(super) fn table<T, const N: usize>(
    text: &mut String,
    header: &[&str; N],
    rows: &[T],
    cells: impl Fn(&T) -> [String; N],
) {
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(*header);
    for row in rows {
        table.add_row(cells(row));
    }
    for (name, column) in header.iter().zip(table.column_iter_mut()) {
        column.set_padding((0, 2));
        if NUMBERS.contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    // Writing into a string cannot fail.
    let _: std::fmt::Result = writeln!(text, "\n{}", table.trim_fmt());
}
