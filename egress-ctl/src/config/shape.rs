//! From TOML to [`Raw`], with everything that does not fit at once.
//!
//! The raw types say which keys there are and of which types; a reader of them stops at the first that does
//! not fit. So that is noted and taken out, and the rest is read again; likewise lines that are no TOML. No table of the raw types needs a
//! key that could be taken out, but sets of the user's own: what is missing is told by those who want it.

use std::ops::Range;

use serde::Deserialize as _;
use toml::{
    Deserializer, Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    problem::{Problems, key_at},
    raw::Raw,
    valid::{converted, is_nearest, nearest_of},
};
use crate::catalogue::nearest::nearest;

/// More than this is no config that somebody wrote.
const FAULTS: usize = 100;

/// Reads a text; nothing where what is left of it is no config.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Raw> {
    let (root, faults) = DeTable::parse_recoverable(text);
    if faults.is_empty() {
        return fitting(root, text, problems);
    }
    let mut rest = text.to_owned();
    for fault in &faults {
        let span = fault.span().unwrap_or(0..0);
        let key = key_at(text, span.start);
        rest = without_line(&rest, span.start).unwrap_or_default();
        // What more there is to say of a line follows from the first.
        if !problems.excuses(&key) {
            let line = line_at(text, span.start).map_or("", str::trim);
            problems.add(span, &key, format!("`{line}`: {}", fault.message()));
            problems.excuse(key);
        }
    }
    let root = DeTable::parse(&rest).ok().filter(|_| !rest.is_empty())?;
    fitting(root, text, problems)
}

/// A text of the same length without the line at `offset`; nothing where that heads a table, whose keys would
/// become those of another one.
fn without_line(text: &str, offset: usize) -> Option<String> {
    let line = line_at(text, offset)?;
    let start = line_start(text, offset)?;
    let (before, after) = (text.get(..start)?, text.get(start + line.len()..)?);
    let is_header = line.trim_start().starts_with('[');
    (!is_header).then(|| before.to_owned() + &" ".repeat(line.len()) + after)
}

/// The line at an offset.
fn line_at(text: &str, offset: usize) -> Option<&str> {
    let from = text.get(line_start(text, offset)?..)?;
    from.get(..from.find('\n').unwrap_or(from.len()))
}

fn line_start(text: &str, offset: usize) -> Option<usize> {
    let before = text.get(..offset)?;
    Some(before.rfind('\n').map_or(0, |at| at + 1))
}

/// What fits of a table; the rest is noted.
fn fitting(mut root: Spanned<DeTable<'_>>, text: &str, problems: &mut Problems<'_>) -> Option<Raw> {
    for _ in 0..FAULTS {
        let fault = match Raw::deserialize(Deserializer::from(root.clone())) {
            Ok(raw) => return Some(raw),
            Err(fault) => fault,
        };
        let span = fault.span().unwrap_or(0..0);
        let Some(key) = take_out(root.get_mut(), &span, "") else {
            note(&fault, &key_at(text, span.start), problems);
            return None;
        };
        note(&fault, &key, problems);
        problems.excuse(key);
    }
    None
}

/// Notes why what `key` names was taken out.
fn note(fault: &Error, key: &str, problems: &mut Problems<'_>) {
    let span = fault.span().unwrap_or(0..0);
    let message = fault.message();
    if let Some((word, known)) = unknown(message) {
        if let Some(meant) = nearest(word, known.iter(), ToString::to_string).next() {
            problems.excuse(beside(key, meant));
        }
        let near = nearest_of(word, known);
        return problems.add(span, key, format!("{message}{near}"));
    }
    let missed = message.strip_prefix("missing field ").map(quoted);
    if let Some(field) = missed.and_then(|mut words| words.next())
        && problems.excuses(&format!("{key}.{field}"))
    {
        return;
    }
    let written = problems.written(span.clone()).unwrap_or_default();
    let expected = message.rsplit_once(", expected ");
    let near = expected.and_then(|(_, expected)| converted(written, expected));
    let near = near.map(is_nearest).unwrap_or_default();
    let value = match missed_value(message, written) {
        true => format!("`{written}`: "),
        false => String::new(),
    };
    problems.add(span, key, format!("{value}{message}{near}"));
}

/// Whether a message is about a value, and does not name it.
fn missed_value(message: &str, written: &str) -> bool {
    let is_about_it = !message.starts_with("missing field ");
    is_about_it && !written.is_empty() && !message.contains(written)
}

/// The key `name` of the table in which `key` is.
fn beside(key: &str, name: &str) -> String {
    match key.rsplit_once('.') {
        Some((table, _)) => format!("{table}.{name}"),
        None => name.to_owned(),
    }
}

/// The word that serde does not know, and those that it does: ``unknown field `x`, expected one of `a`, `b` ``.
fn unknown(message: &str) -> Option<(&str, Vec<&str>)> {
    let (what, known) = message
        .strip_prefix("unknown ")?
        .split_once(", expected ")?;
    let mut word = quoted(what);
    Some((word.next()?, quoted(known).collect()))
}

/// The words between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Takes the entry out whose key or value is at `span`, and names it: behind `above`, which leads to the table.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>, above: &str) -> Option<String> {
    let path = |key: &str| match above {
        "" => key.to_owned(),
        above => format!("{above}.{key}"),
    };
    let is_it = |key: &Spanned<_>, value: &Spanned<_>| key.span() == *span || value.span() == *span;
    let found = table.iter().find(|(key, value)| is_it(key, value));
    if let Some(key) = found.map(|(key, _)| key.clone()) {
        table.remove(&key);
        return Some(path(key.get_ref()));
    }
    let mut entries = table.iter_mut();
    entries.find_map(|(key, value)| take_out_of(value, span, &path(key.get_ref())))
}

fn take_out_of(
    value: &mut Spanned<DeValue<'_>>,
    span: &Range<usize>,
    path: &str,
) -> Option<String> {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, span, path),
        DeValue::Array(items) => {
            let is_it = |item: &Spanned<DeValue<'_>>| item.span() == *span;
            if !items.iter().any(is_it) {
                let mut items = items.iter_mut();
                return items.find_map(|item| take_out_of(item, span, path));
            }
            *items = items.iter().filter(|item| !is_it(item)).cloned().collect();
            Some(path.to_owned())
        }
        _ => None,
    }
}
