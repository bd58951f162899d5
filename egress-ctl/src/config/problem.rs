//! What is wrong with a configuration file, and where.

use std::{fmt, ops::Range, path::PathBuf};

use serde::Serialize;

use crate::catalogue::nearest::nearest;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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

/// The known word that is written most like an unknown one, as the end of a message; nothing where there is
/// none.
pub(super) fn nearest_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut near = nearest(word, known, |known| (*known).to_owned());
    match near.next() {
        Some(near) => format!(", the nearest is `{near}`"),
        None => String::new(),
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
}

impl<'a> Problems<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            found: Vec::new(),
        }
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
