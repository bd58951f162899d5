//! What is wrong with a configuration file, and where.

use std::{
    collections::BTreeSet,
    fmt,
    ops::{Range, RangeInclusive},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Serialize;
use toml::Spanned;

use super::valid::{is_nearest, unknown};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: usize,
    /// Key, from the top of the file: `group.staging.allow`; empty where the text is no TOML.
    pub key: String,
    /// What is wrong, and what to do.
    pub message: String,
}

/// Everything that is wrong with a configuration file.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, in the order of the lines.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.problems.iter().enumerate() {
            let newline = if i == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{problem}", self.path.display())?;
        }
        Ok(())
    }
}

/// Behind the file's name and a colon.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, message } = self;
        match key.as_str() {
            "" => write!(f, "{line}: {message}"),
            key => write!(f, "{line}: {key}: {message}"),
        }
    }
}

/// The key at a byte offset, from the top of the file; empty where there is none.
pub(super) fn key_at(text: &str, offset: usize) -> String {
    let start = text
        .get(..offset)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let line = text
        .get(start..)
        .and_then(|rest| rest.lines().next())
        .unwrap_or_default();
    let table = text
        .get(..start)
        .unwrap_or_default()
        .lines()
        .rev()
        .find(|line| line.starts_with('['));
    let table = table.unwrap_or_default().trim_matches(['[', ']']);
    match line.split_once('=') {
        Some((key, _)) if table.is_empty() => key.trim().to_owned(),
        Some((key, _)) => format!("{table}.{}", key.trim()),
        None => line.trim_matches(['[', ']']).to_owned(),
    }
}

/// Gathers problems while a file is read.
pub(super) struct Problems<'a> {
    text: &'a str,
    found: Vec<Problem>,
    excused: BTreeSet<String>,
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
            excused: BTreeSet::new(),
        }
    }

    /// Notes that a key may be missing, since what stood there, or was meant to, is a problem already.
    pub(super) fn excuse(&mut self, key: String) {
        self.excused.insert(key);
    }

    /// Whether a key may be missing.
    pub(super) fn excuses(&self, key: &str) -> bool {
        self.excused.contains(key)
    }

    /// The keys of all problems so far, and those that may be missing.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.found.iter().map(|problem| &problem.key);
        keys.chain(&self.excused).map(String::as_str)
    }

    /// What stands at `span`, as it is written; nothing where that is long.
    pub(super) fn written(&self, span: Range<usize>) -> Option<&'a str> {
        let text = self.text.get(span).filter(|text| !text.is_empty())?;
        let is_short = text.len() <= 80 && !text.contains('\n');
        is_short.then_some(text)
    }

    /// Notes a problem of the value at `span` (byte offsets).
    pub(super) fn add(&mut self, span: Range<usize>, key: &str, message: impl fmt::Display) {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        self.found.push(Problem {
            line: before.matches('\n').count() + 1,
            key: key.to_owned(),
            message: message.to_string(),
        });
    }

    /// Notes that a word is none of those that there are.
    pub(super) fn unknown(
        &mut self,
        word: &Spanned<String>,
        key: &str,
        what: &str,
        known: &[&str],
    ) {
        self.add(word.span(), key, unknown(what, word.get_ref(), known));
    }

    /// Notes that the value at `span` is out of range: `why` says of which.
    pub(super) fn beyond(
        &mut self,
        span: Range<usize>,
        key: &str,
        nearest: impl fmt::Display,
        why: impl fmt::Display,
    ) {
        let value = self.written(span.clone()).unwrap_or("the value");
        let value = value.trim_matches(['"', '\'']);
        let near = is_nearest(nearest);
        self.add(span, key, format!("`{value}` is out of range{near}: {why}"));
    }

    /// The number, where it is in `bounds`; else that is noted, with their `unit`.
    pub(super) fn number<T>(
        &mut self,
        raw: &Spanned<i64>,
        key: &str,
        bounds: &RangeInclusive<T>,
        unit: &str,
    ) -> Option<T>
    where
        T: Copy + fmt::Display + PartialOrd<T> + TryFrom<i64>,
        i64: From<T>,
    {
        let (least, most) = (*bounds.start(), *bounds.end());
        let number = *raw.get_ref();
        let inside = T::try_from(number).ok().filter(|n| bounds.contains(n));
        if inside.is_none() {
            let nearest = if number < i64::from(least) {
                least
            } else {
                most
            };
            self.beyond(raw.span(), key, nearest, format!("{least} to {most}{unit}"));
        }
        inside
    }

    /// Notes a problem of `value` somewhere in the table whose header is at `span`: at its first quoted
    /// occurrence there, else at the header.
    pub(super) fn add_in_table(
        &mut self,
        span: Range<usize>,
        value: &str,
        key: &str,
        message: impl fmt::Display,
    ) {
        let from = self.text.get(span.start..).unwrap_or_default();
        let table = from
            .find("\n[")
            .and_then(|end| from.get(..end))
            .unwrap_or(from);
        let at = ['"', '\'']
            .iter()
            .find_map(|quote| table.find(&format!("{quote}{value}{quote}")))
            .map_or(span.start, |offset| span.start + offset);
        self.add(at..at, key, message);
    }

    /// All problems, by line.
    pub(super) fn found(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| problem.line);
        self.found
    }

    /// The value where nothing is wrong, else all problems.
    pub(super) fn into_result<T>(self, value: T) -> Result<T, Vec<Problem>> {
        match self.found.is_empty() {
            true => Ok(value),
            false => Err(self.found()),
        }
    }
}
