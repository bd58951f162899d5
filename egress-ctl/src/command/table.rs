//! Tables on standard output.

use std::fmt::Write as _;

use super::output::room;
use crate::{explain::words::printable, sheet::sheet};

/// Adds a table behind an empty line; nothing where there are no rows.
pub(super) fn table<T, const N: usize>(
    text: &mut String,
    header: &[&str; N],
    rows: &[T],
    cells: impl Fn(&T) -> [String; N],
) {
    let row = |row| cells(row).map(|cell| printable(&cell)).to_vec();
    let rows: Vec<_> = rows.iter().map(row).collect();
    if rows.is_empty() {
        return;
    }
    // Writing into a string cannot fail.
    let _: std::fmt::Result = writeln!(text, "\n{}", sheet(header, &rows, room()));
}
