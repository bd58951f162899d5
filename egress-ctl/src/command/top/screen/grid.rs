//! Tables in as many columns as there is room for.
//!
//! In: columns, of which some matter less, and rows. Out: lines of a width. What is too long is cut off and
//! marked; where even that does not fit, columns that matter less are left out.

use std::iter;

use ratatui::text::{Line, Span};

use super::glyphs::{Glyphs, Tone};

/// Between columns.
const GAP: usize = 2;

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    /// Those with higher numbers are left out first; 0 stays.
    pub(super) rank: u8,
}

/// What is in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words, which may be cut off down to so many signs.
    Words(usize),
    /// A number, which is never cut off.
    Number,
    /// A history, which takes all room that is left, and needs so much.
    Spark(usize),
}

/// What stands in a row.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Text(String, Tone),
    Spark(Vec<f64>),
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into(), Tone::Plain)
    }

    /// A number that stands out where it is not zero.
    pub(super) fn loud(text: String, tone: Tone) -> Self {
        let tone = match text == "0" {
            true => Tone::Faint,
            false => tone,
        };
        Self::Text(text, tone)
    }
}

/// Columns and their widths, in order.
type Layout = Vec<(usize, usize)>;

/// The head of a table and its rows, each as wide as it may be. The first column is called so.
pub(super) fn lines(
    columns: &[Column],
    first: &str,
    rows: &[&[Cell]],
    width: usize,
    glyphs: Glyphs,
) -> (Line<'static>, Vec<Line<'static>>) {
    let titles = columns.iter().skip(1).map(|column| column.title);
    let titles: Vec<_> = iter::once(first)
        .chain(titles)
        .map(|title| Cell::Text(title.to_owned(), Tone::Head))
        .collect();
    let all: Vec<_> = iter::once(titles.as_slice())
        .chain(rows.iter().copied())
        .collect();
    let layout = layout(columns, &all, width);
    let line = |cells: &[Cell]| line(columns, cells, &layout, glyphs);
    let head = line(&titles);
    (head, rows.iter().map(|cells| line(cells)).collect())
}

fn layout(columns: &[Column], rows: &[&[Cell]], width: usize) -> Layout {
    let mut chosen: Vec<usize> = (0..columns.len()).collect();
    loop {
        let fitted = fit(columns, rows, &chosen, width);
        let least = chosen
            .iter()
            .copied()
            .filter(|i| rank(columns, *i) > 0)
            .max_by_key(|i| rank(columns, *i));
        match (fitted, least) {
            (Some(layout), _) => return layout,
            (None, Some(least)) => chosen.retain(|i| *i != least),
            // The first column alone is cut off as far as it takes.
            (None, None) => return chosen.first().map(|i| (*i, width)).into_iter().collect(),
        }
    }
}

fn rank(columns: &[Column], i: usize) -> u8 {
    columns.get(i).map_or(0, |column| column.rank)
}

/// Widths of the chosen columns; none where they do not fit.
fn fit(columns: &[Column], rows: &[&[Cell]], chosen: &[usize], width: usize) -> Option<Layout> {
    let mut room = width.checked_sub(GAP * chosen.len().saturating_sub(1))?;
    let mut layout = Vec::new();
    for i in chosen {
        let column = columns.get(*i)?;
        let least = match column.kind {
            Kind::Words(least) => least.min(natural(rows, *i)),
            Kind::Number => natural(rows, *i),
            Kind::Spark(least) => least,
        };
        room = room.checked_sub(least)?;
        layout.push((*i, least));
    }
    // What is left goes to words first, in their order, and then to histories.
    for (i, given) in &mut layout {
        let column = columns.get(*i)?;
        if let Kind::Words(_) = column.kind {
            let more = natural(rows, *i).saturating_sub(*given).min(room);
            *given += more;
            room -= more;
        }
    }
    for (i, given) in &mut layout {
        if let Kind::Spark(_) = columns.get(*i)?.kind {
            *given += room;
            room = 0;
        }
    }
    Some(layout)
}

/// How wide a column would be if there were room.
fn natural(rows: &[&[Cell]], i: usize) -> usize {
    let cells = rows.iter().filter_map(|row| row.get(i));
    let widths = cells.map(|cell| match cell {
        Cell::Text(text, _) => wide(text),
        Cell::Spark(_) => 0,
    });
    widths.fold(0, usize::max)
}

fn line(
    columns: &[Column],
    cells: &[Cell],
    layout: &[(usize, usize)],
    glyphs: Glyphs,
) -> Line<'static> {
    let mut spans = Vec::new();
    for (place, (i, width)) in layout.iter().enumerate() {
        let (Some(column), Some(cell)) = (columns.get(*i), cells.get(*i)) else {
            continue;
        };
        if place > 0 {
            spans.push(Span::raw(" ".repeat(GAP)));
        }
        let (text, tone) = match cell {
            Cell::Text(text, tone) => (cut(text, *width, glyphs), *tone),
            Cell::Spark(values) => (glyphs.spark(values, *width), Tone::Plain),
        };
        let blank = " ".repeat(width.saturating_sub(wide(&text)));
        let text = match column.kind {
            Kind::Number => format!("{blank}{text}"),
            Kind::Words(_) | Kind::Spark(_) => format!("{text}{blank}"),
        };
        spans.push(Span::styled(text, glyphs.style(tone)));
    }
    Line::from(spans)
}

/// How many columns of the terminal a text takes.
pub(super) fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text that takes no more columns than these; what is cut off is marked.
pub(super) fn cut(text: &str, width: usize, glyphs: Glyphs) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    let mut sign = [0; 4];
    for c in text.chars() {
        let more = wide(c.encode_utf8(&mut sign));
        if wide(&kept) + more + 1 > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push(glyphs.more);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 4] = [
        Column {
            title: "group",
            kind: Kind::Words(6),
            rank: 0,
        },
        Column {
            title: "packets/s",
            kind: Kind::Number,
            rank: 1,
        },
        Column {
            title: "bytes/s",
            kind: Kind::Number,
            rank: 3,
        },
        Column {
            title: "history",
            kind: Kind::Spark(7),
            rank: 2,
        },
    ];

    fn text(line: &Line<'_>) -> String {
        let spans = line.spans.iter();
        spans.map(|span| span.content.as_ref()).collect()
    }

    #[test]
    fn what_matters_less_makes_room() {
        let row = [
            Cell::text("staging-of-bücher"),
            Cell::text("12"),
            Cell::text("1.2k"),
            Cell::Spark(vec![1.0, 2.0]),
        ];
        let rows: [&[Cell]; 1] = [&row];
        let table = [
            (
                50,
                "group              packets/s  bytes/s  history    ",
                "staging-of-bücher         12     1.2k           ▄█",
            ),
            (
                40,
                "group        packets/s  bytes/s  history",
                "staging-of…         12     1.2k       ▄█",
            ),
            (
                30,
                "group       packets/s  history",
                "staging-o…         12       ▄█",
            ),
            (17, "group   packets/s", "stagi…         12"),
            (12, "group       ", "staging-of-…"),
            (3, "gr…", "st…"),
            (1, "…", "…"),
            (0, "", ""),
        ];
        for (width, head, line) in table {
            let (seen_head, seen) = lines(&COLUMNS, "group", &rows, width, Glyphs::UNICODE);
            assert_eq!(text(&seen_head), head, "{width}");
            assert_eq!(text(&seen[0]), line, "{width}");
        }
    }

    #[test]
    fn wide_signs_are_never_halved() {
        assert_eq!(cut("表表表", 6, Glyphs::UNICODE), "表表表");
        assert_eq!(cut("表表表", 5, Glyphs::UNICODE), "表表…");
        assert_eq!(cut("表表表", 4, Glyphs::UNICODE), "表…");
    }
}
