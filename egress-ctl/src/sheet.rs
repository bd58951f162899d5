//! Tables for people, without lines.
//!
//! In: headers, rows, and how wide a terminal is. Out: columns as wide as they need, or narrower with several lines a
//! cell where no word breaks by that, or else a line a cell, row below row. Nothing here knows of a terminal.

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width, presets};
use ratatui::text::Line;

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
    "names",
    "prefixes",
];
/// Blanks between columns.
const GAP: u16 = 2;

/// The table's text, without a line's end behind it; in a terminal of so many columns, or whatever it takes.
pub(crate) fn sheet(header: &[&str], rows: &[Vec<String>], room: Option<u16>) -> String {
    let mut table = columns(header, rows);
    let text = table.trim_fmt();
    let Some(room) = room.filter(|room| text.lines().any(|line| width(line) > *room)) else {
        return text;
    };
    let least: Vec<u16> = (0..header.len())
        .map(|at| least(header, rows, at).saturating_add(GAP))
        .collect();
    // Blanks behind the last column are not printed.
    let room = room.saturating_add(GAP);
    if least
        .iter()
        .fold(0, |sum: u16, one| sum.saturating_add(*one))
        > room
    {
        return one_a_line(header, rows);
    }
    table
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(room);
    for (column, least) in table.column_iter_mut().zip(least) {
        column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(least)));
    }
    table.trim_fmt()
}

fn columns(header: &[&str], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec())
        .add_rows(rows);
    for (name, column) in header.iter().zip(table.column_iter_mut()) {
        column.set_padding((0, GAP));
        if NUMBERS.contains(name) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The widest word of a column.
fn least(header: &[&str], rows: &[Vec<String>], at: usize) -> u16 {
    let cells = rows.iter().filter_map(|row| row.get(at));
    let texts = cells.map(String::as_str).chain(header.get(at).copied());
    let words = texts.flat_map(str::split_whitespace);
    words.map(width).max().unwrap_or_default()
}

fn width(text: &str) -> u16 {
    u16::try_from(Line::raw(text).width()).unwrap_or(u16::MAX)
}

/// Each cell behind the name of its column.
fn one_a_line(header: &[&str], rows: &[Vec<String>]) -> String {
    let widest = header.iter().map(|name| name.len()).max().unwrap_or(0);
    let row = |row: &Vec<String>| -> String {
        let cells = header.iter().zip(row);
        let lines = cells.map(|(name, cell)| {
            let cell = cell.replace('\n', ", ");
            format!("{name:<widest$}  {cell}").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(row).collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [&str; 3] = ["set", "packets", "what for"];

    fn rows() -> Vec<Vec<String>> {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        vec![
            row(["intune:163", "7", "Intune client and host service"]),
            row(["m365:1", "12", "Exchange"]),
        ]
    }

    #[test]
    fn columns_are_as_wide_as_they_need() {
        let text = "\
set         packets  what for
intune:163        7  Intune client and host service
m365:1           12  Exchange";
        for room in [None, Some(80), Some(51)] {
            assert_eq!(sheet(&HEADER, &rows(), room), text);
        }
    }

    #[test]
    fn where_these_are_too_wide_cells_have_several_lines() {
        let text = "\
set         packets  what for
intune:163        7  Intune client
                     and host
                     service
m365:1           12  Exchange";
        assert_eq!(sheet(&HEADER, &rows(), Some(34)), text);
    }

    #[test]
    fn where_a_word_would_break_each_cell_has_a_line() {
        let text = "\
set       intune:163
packets   7
what for  Intune client and host service

set       m365:1
packets   12
what for  Exchange";
        for room in [1, 20, 28] {
            assert_eq!(sheet(&HEADER, &rows(), Some(room)), text);
        }
    }

    #[test]
    fn no_room_is_exceeded_and_no_word_broken_but_where_each_cell_has_a_line() {
        for room in 29..80 {
            let text = sheet(&HEADER, &rows(), Some(room));
            assert!(text.lines().all(|line| width(line) <= room), "{text}");
            for word in ["intune:163", "packets", "Exchange", "service"] {
                assert!(text.contains(word), "{room}: {text}");
            }
        }
    }
}
