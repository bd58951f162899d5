//! From TOML to [`Raw`], with everything that does not fit at once.
//!
//! The raw types say which keys there are and of which types; a reader of them stops at the first that does
//! not fit. So that is noted and taken out, and the rest is read again.

use std::ops::Range;

use serde::Deserialize as _;
use toml::{
    Deserializer, Spanned,
    de::{DeTable, DeValue, Error},
};

use super::{
    problem::{Problems, key_at, nearest_of},
    raw::Raw,
};

/// More than this is no config that somebody wrote.
const FAULTS: usize = 100;

/// Reads a text; nothing where what is left of it is no config.
pub(super) fn read(text: &str, problems: &mut Problems<'_>) -> Option<Raw> {
    let (mut root, faults) = DeTable::parse_recoverable(text);
    for fault in &faults {
        note(text, fault, problems);
    }
    if !faults.is_empty() {
        return None;
    }
    let mut taken_out = false;
    for _ in 0..FAULTS {
        let fault = match Raw::deserialize(Deserializer::from(root.clone())) {
            Ok(raw) => return Some(raw),
            Err(fault) => fault,
        };
        let span = fault.span().unwrap_or(0..0);
        // What was taken out may be missed now, which is no fault of its own.
        let is_missed = taken_out && fault.message().starts_with("missing field");
        if !is_missed {
            note(text, &fault, problems);
        }
        if !take_out(root.get_mut(), &span) {
            return None;
        }
        taken_out = true;
    }
    None
}

fn note(text: &str, fault: &Error, problems: &mut Problems<'_>) {
    let span = fault.span().unwrap_or(0..0);
    let key = key_at(text, span.start);
    let message = fault.message();
    let hint = unknown(message).map(|(word, known)| nearest_of(word, known));
    problems.add(span, &key, format!("{message}{}", hint.unwrap_or_default()));
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

/// Takes the entry out whose key or value is at `span`; whether there was one.
fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    let is_it = |key: &Spanned<_>, value: &Spanned<_>| key.span() == *span || value.span() == *span;
    let found = table.iter().find(|(key, value)| is_it(key, value));
    if let Some(key) = found.map(|(key, _)| key.clone()) {
        return table.remove(&key).is_some();
    }
    let mut values = table.iter_mut().map(|(_, value)| value);
    values.any(|value| take_out_of(value, span))
}

fn take_out_of(value: &mut Spanned<DeValue<'_>>, span: &Range<usize>) -> bool {
    match value.get_mut() {
        DeValue::Table(table) => take_out(table, span),
        DeValue::Array(items) => {
            let is_it = |item: &Spanned<DeValue<'_>>| item.span() == *span;
            if !items.iter().any(is_it) {
                return items.iter_mut().any(|item| take_out_of(item, span));
            }
            *items = items.iter().filter(|item| !is_it(item)).cloned().collect();
            true
        }
        _ => false,
    }
}
