//! What is shown, as lines of text.
//!
//! In: a picture, what somebody chose, and how much room there is. Out: lines, each as wide as it may be and no
//! more of them than there is room for; all that there are where lines are no matter.

mod glyphs;
mod grid;
mod head;
mod table;
mod units;

use jiff::Zoned;
use ratatui::text::{Line, Span};

pub(super) use self::glyphs::Glyphs;
use self::{
    glyphs::Tone,
    grid::{Cell, cut, wide},
    head::{Fact, fact, row},
    table::Table,
    units::number,
};
use super::{
    keys::HELP,
    state::{Draft, State},
    view::View,
};
use crate::{dns::time::span, explain::words::printable, live::Picture};

/// The tables of the overview, and how much they matter: what matters less goes first.
const OVERVIEW: [(View, u8); 4] = [
    (View::Groups, 1),
    (View::Drops, 0),
    (View::Clients, 2),
    (View::Sets, 3),
];
/// Rows of each where there is any room.
const ROWS: usize = 10;
/// A narrower terminal than this has no room for how many rows there are.
const NARROW: usize = 40;
/// A lower one than this has no line for all packets together, …
const LOW: usize = 14;
/// … and a lower one than this none for keys.
const LOWEST: usize = 4;

/// What is shown, and how.
#[derive(Clone, Copy)]
pub(super) struct Screen<'a> {
    pub(super) picture: &'a Picture,
    pub(super) state: &'a State,
    pub(super) now: &'a Zoned,
    pub(super) glyphs: Glyphs,
    pub(super) width: usize,
}

/// Rows of the view's table, and how many orders they may be in.
pub(super) fn extent(picture: &Picture, state: &State) -> (usize, usize) {
    let table = Table::of(state.view, picture, state.order(state.view));
    table.map_or((0, 0), |table| (table.rows.len(), table.orders.len()))
}

impl Screen<'_> {
    /// All lines of a terminal of this height.
    pub(super) fn of_height(&self, height: usize) -> Vec<Line<'static>> {
        let footer = match height {
            LOWEST.. => self.footer(height),
            _ => Vec::new(),
        };
        let room = height - footer.len();
        let mut lines = self.head(height);
        lines.truncate(room);
        lines.extend(self.body(Some(room - lines.len())));
        lines.resize(room, Line::default());
        lines.extend(footer);
        lines
    }

    /// All lines there are.
    pub(super) fn whole(&self) -> Vec<Line<'static>> {
        let mut lines = self.head(usize::MAX);
        lines.extend(self.body(None));
        lines
    }

    fn head(&self, height: usize) -> Vec<Line<'static>> {
        let (picture, width, glyphs) = (self.picture, self.width, self.glyphs);
        let mut lines = vec![head::state(picture, self.now, width, glyphs)];
        let alarms = head::alarms(picture, self.now.timestamp()).into_iter();
        let alarms = alarms.map(|(text, tone)| self.styled(&text, tone));
        lines.extend(alarms.take((height / 4).max(1)));
        if height >= LOW {
            lines.extend(head::totals(picture, width, glyphs));
            lines.extend(head::learned(picture, width, glyphs));
        }
        lines
    }

    fn body(&self, room: Option<usize>) -> Vec<Line<'static>> {
        if self.state.helps {
            return self.help();
        }
        let order = self.state.order(self.state.view);
        match Table::of(self.state.view, self.picture, order) {
            Some(table) => self.one(&table, room),
            None => self.overview(room),
        }
    }

    /// The first rows of what matters.
    fn overview(&self, room: Option<usize>) -> Vec<Line<'static>> {
        let tables = OVERVIEW.map(|(view, rank)| {
            let table = Table::of(view, self.picture, self.state.order(view));
            (table, rank)
        });
        let wanted = tables.each_ref().map(|(table, rank)| {
            let rows = table.as_ref().map_or(0, |table| table.rows.len());
            (rows.clamp(1, ROWS), *rank)
        });
        let rows = room.map_or(wanted.map(|(rows, _)| rows), |room| share(room, wanted));
        let mut lines = Vec::new();
        for ((table, _), rows) in tables.iter().zip(rows) {
            if let (Some(table), 1..) = (table, rows) {
                if room.is_none() {
                    lines.push(Line::default());
                }
                lines.extend(self.rows(table, 0, rows, None));
            }
        }
        lines
    }

    /// One table, with what is known of the selected row.
    fn one(&self, table: &Table, room: Option<usize>) -> Vec<Line<'static>> {
        let mut lines = vec![self.title(table)];
        let Some(room) = room else {
            lines.extend(self.rows(table, 0, usize::MAX, None));
            return lines;
        };
        let selected = self.state.selected(table.rows.len());
        let more = table.rows.get(selected).map(|row| self.more(&row.more));
        let mut more = more.unwrap_or_default();
        // Of the table itself, some rows stay.
        if room < more.len() + 6 {
            more.clear();
        }
        // Title and head.
        let rows = room.saturating_sub(more.len() + 2);
        let first = (selected + 1).saturating_sub(rows);
        lines.extend(self.rows(table, first, rows, Some(selected)));
        lines.resize(room.saturating_sub(more.len()).max(1), Line::default());
        lines.extend(more);
        lines.truncate(room);
        lines
    }

    /// The head of a table and some of its rows.
    fn rows(
        &self,
        table: &Table,
        first: usize,
        most: usize,
        selected: Option<usize>,
    ) -> Vec<Line<'static>> {
        let shown = table.rows.iter().skip(first).take(most);
        let cells: Vec<&[Cell]> = shown.map(|row| row.cells.as_slice()).collect();
        let called = table.columns.first().map_or("", |column| column.title);
        let called = match cells.len() {
            // Of one table, its title says how many there are.
            some if some < table.rows.len() && selected.is_none() && self.width >= NARROW => {
                format!("{called} ({some} of {})", table.rows.len())
            }
            _ => called.to_owned(),
        };
        let (head, mut lines) =
            grid::lines(table.columns, &called, &cells, self.width, self.glyphs);
        if let Some(line) = selected.and_then(|at| lines.get_mut(at.checked_sub(first)?)) {
            *line = line.clone().patch_style(self.glyphs.style(Tone::Selected));
        }
        if lines.is_empty() && most > 0 {
            lines.push(self.styled(&table.empty, Tone::Faint));
        }
        lines.insert(0, head);
        lines
    }

    /// Which table it is, in which order, and how whole.
    fn title(&self, table: &Table) -> Line<'static> {
        let view = self.state.view;
        let order = self.state.order(view);
        let by = table.orders.get(order.place).copied().unwrap_or_default();
        let reversed = if order.is_reversed { ", reversed" } else { "" };
        let mut facts = vec![
            fact(
                format!("{} {}", table.rows.len(), view.name()),
                Tone::Head,
                0,
            ),
            fact(format!("by {by}{reversed}"), Tone::Plain, 1),
        ];
        if self.picture.not_narrowed.contains(&view.name()) {
            facts.push(fact(
                "NOT FILTERED: it does not know these fields",
                Tone::Warn,
                1,
            ));
        }
        facts.extend(self.how_whole());
        row(facts, self.width, self.glyphs)
    }

    /// What of the view is a sample, and how much that leaves out.
    fn how_whole(&self) -> Vec<Fact> {
        let recent = &self.picture.recent;
        let minute = span(recent.seconds.unsigned_abs());
        match self.state.view {
            View::Drops => {
                let text = format!("a sample of the last {minute}");
                let mut facts = vec![fact(text, Tone::Faint, 2)];
                let left_out = recent.fates.iter().filter(|of| of.fate != "reported");
                let left_out = left_out.filter(|of| of.events_per_second > 0.0);
                facts.extend(left_out.map(|of| {
                    let text = format!("{}/s {}", number(of.events_per_second), of.fate);
                    fact(text, Tone::Warn, 3)
                }));
                facts
            }
            View::Clients => {
                let text = format!("packets of the last {minute}, counted by events");
                vec![fact(text, Tone::Faint, 2)]
            }
            View::Names => vec![fact("newest answers", Tone::Faint, 2)],
            _ => vec![fact("counted by the kernel", Tone::Faint, 2)],
        }
    }

    fn more(&self, more: &[(&'static str, String)]) -> Vec<Line<'static>> {
        let lines = more.iter().map(|(topic, text)| {
            let head = cut(&format!("{topic:<8} "), self.width, self.glyphs);
            let text = cut(text, self.width - wide(&head), self.glyphs);
            let head = Span::styled(head, self.glyphs.style(Tone::Head));
            Line::from(vec![head, Span::raw(text)])
        });
        lines.collect()
    }

    fn help(&self) -> Vec<Line<'static>> {
        let views = View::ALL.map(View::name);
        let views = views.iter().zip(1..);
        let views: Vec<_> = views.map(|(name, key)| format!("{key} {name}")).collect();
        let mut lines = vec![self.styled("keys", Tone::Head)];
        lines.extend(HELP.iter().map(|(keys, does)| {
            let text = format!("{keys:<22} {does}");
            self.styled(&text, Tone::Plain)
        }));
        lines.push(self.styled("views", Tone::Head));
        let lines_of_views = views.chunks(4);
        lines.extend(lines_of_views.map(|some| self.styled(&some.join("  "), Tone::Plain)));
        lines
    }

    /// Keys, or the filter that is being written.
    fn footer(&self, height: usize) -> Vec<Line<'static>> {
        match &self.state.draft {
            Some(draft) => self.draft(draft, height),
            None => vec![self.keys()],
        }
    }

    fn draft(&self, draft: &Draft, height: usize) -> Vec<Line<'static>> {
        let fault = draft.fault.iter().filter(|_| height >= LOW);
        let mut lines: Vec<_> = fault.map(|line| self.styled(line, Tone::Warn)).collect();
        let cursor = if draft.fault.is_empty() {
            "_"
        } else {
            "_  (not a filter)"
        };
        // What is written last is seen.
        let text = printable(&draft.text);
        let over = (wide(&text) + wide(cursor) + 1).saturating_sub(self.width);
        let seen: String = text.chars().skip(over).collect();
        lines.push(self.styled(&format!("/{seen}{cursor}"), Tone::Head));
        lines
    }

    fn keys(&self) -> Line<'static> {
        let state = self.state;
        let mut facts = Vec::new();
        if state.is_paused {
            facts.push(fact("PAUSED", Tone::Bad, 0));
        }
        let filter = match state.filter.is_empty() {
            true => fact("/ filter", Tone::Plain, 4),
            false => fact(format!("/{}", printable(&state.filter)), Tone::Warn, 1),
        };
        let place = state.view.place() + 1;
        facts.extend([
            fact("? keys", Tone::Plain, 1),
            fact("q end", Tone::Plain, 2),
            fact(format!("1-8 {place} {}", state.view.name()), Tone::Plain, 3),
            filter,
            fact("p pause", Tone::Plain, 5),
            fact("s sort", Tone::Plain, 6),
            fact("r reverse", Tone::Plain, 8),
            fact(
                format!("+ - every {} s", state.every.as_secs_f64()),
                Tone::Plain,
                7,
            ),
        ]);
        row(facts, self.width, self.glyphs)
    }

    fn styled(&self, text: &str, tone: Tone) -> Line<'static> {
        let text = cut(&printable(text), self.width, self.glyphs);
        Line::from(Span::styled(text, self.glyphs.style(tone)))
    }
}

/// How many rows each table has, of those it wants, if each has a head. Those that matter most come first,
/// until none has room any more; what is left goes round.
fn share<const N: usize>(room: usize, wanted: [(usize, u8); N]) -> [usize; N] {
    let mut rows = [0; N];
    let mut left = room;
    let mut places: Vec<_> = (0..N).collect();
    places.sort_by_key(|place| wanted.get(*place).map(|(_, rank)| *rank));
    for place in &places {
        let wanted = wanted.get(*place).map_or(0, |(rows, _)| *rows);
        let least = wanted.min(2);
        // Of the first, any row is better than none.
        let least = if left == room {
            least.min(room.saturating_sub(1))
        } else {
            least
        };
        if let (1.., Some(rows)) = (least, rows.get_mut(*place))
            && left > least
        {
            *rows = least;
            left -= least + 1;
        }
    }
    loop {
        let before = left;
        for place in &places {
            let wanted = wanted.get(*place).map_or(0, |(rows, _)| *rows);
            if let (1.., Some(rows)) = (left, rows.get_mut(*place))
                && (1..wanted).contains(rows)
            {
                *rows += 1;
                left -= 1;
            }
        }
        if left == before {
            return rows;
        }
    }
}

#[cfg(test)]
mod tests;
