//! Why a text is no filter, and where.

use std::{fmt, ops::Range};

use super::field::Field;
use crate::explain::words::printable;

/// Characters of the text that are shown around the spot.
const SHOWN: usize = 60;

/// A text that is no filter, or one that names what there is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct FilterError {
    text: String,
    at: Range<usize>,
    fault: Fault,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Something else should stand there.
    #[error("expected {0}")]
    Expected(String),
    /// A value of a field is none.
    #[error("`{asked}` is no {field}: write {}", .field.values())]
    Value {
        /// The field.
        field: Field,
        /// What stands there.
        asked: String,
    },
    /// There is no such thing.
    #[error("there is no {what} `{asked}`{}{}", nearest(.known), of(.known))]
    Unknown {
        /// What kind of thing.
        what: &'static str,
        /// What stands there.
        asked: String,
        /// What there is, most alike first.
        known: Vec<String>,
    },
    /// A quotation mark has no other one.
    #[error("this quotation mark is never closed")]
    Open,
    /// A backslash in quotation marks stands before something else than a mark or a backslash.
    #[error("a backslash stands before `\"` or another backslash")]
    Escape,
    /// Too many parentheses or `not`s within each other.
    #[error("a filter may be nested {} deep", super::DEPTH_MAX)]
    Deep,
    /// Too long.
    #[error("a filter has at most {} bytes", super::TEXT_MAX)]
    Long,
}

/// Things that are listed; of more, the nearest must do.
const LISTED: usize = 40;

fn nearest(known: &[String]) -> String {
    let first = known.first();
    first.map_or_else(String::new, |near| format!(", the nearest is `{near}`"))
}

fn of(known: &[String]) -> String {
    match known.len() {
        2..=LISTED => format!("; there are {}", known.join(", ")),
        _ => String::new(),
    }
}

impl FilterError {
    pub(super) fn new(text: &str, at: Range<usize>, fault: Fault) -> Self {
        Self {
            text: text.to_owned(),
            at,
            fault,
        }
    }

    /// Where in the text, in bytes; empty where something is missing.
    pub fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// What is wrong there.
    pub fn fault(&self) -> &Fault {
        &self.fault
    }

    /// The text around the spot in one line, and a line of carets below it.
    pub fn excerpt(&self) -> (String, String) {
        let part = |range: Range<usize>| printable(self.text.get(range).unwrap_or_default());
        let before = part(0..self.at.start);
        let spot = part(self.at.clone());
        let behind = part(self.at.end..self.text.len());
        let before = last(&before, SHOWN / 2);
        let spot = first(&spot, SHOWN / 2);
        let behind = first(&behind, SHOWN / 4);
        let carets = "^".repeat(spot.chars().count().max(1));
        let indent = " ".repeat(before.chars().count());
        (
            format!("{before}{spot}{behind}"),
            format!("{indent}{carets}"),
        )
    }
}

fn first(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

fn last(text: &str, most: usize) -> String {
    let more = text.chars().count().saturating_sub(most);
    match more {
        0 => text.to_owned(),
        more => ['…'].into_iter().chain(text.chars().skip(more)).collect(),
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, carets) = self.excerpt();
        let fault = printable(&self.fault.to_string());
        write!(f, "filter: {fault}\n  {text}\n  {carets}")
    }
}
