//! The one filter by which `watch`, `top`, `replay` and the page are narrowed.
//!
//! In: text, as `client=10.20.0.0/16 and not (port=80,443 or name=*.example.com)`. Out: a [`Filter`], which says
//! of a [`Subject`] whether it is meant, or a [`FilterError`], which shows where the text is wrong. What it
//! prints is its normal form, and is read as the same filter again.

mod error;
mod expr;
mod field;
mod glob;
mod known;
mod lex;
mod parse;
mod subject;
mod term;
mod value;

use std::{collections::BTreeSet, fmt, str::FromStr};

pub use self::{
    error::{Fault, FilterError},
    field::Field,
    known::Known,
    parse::{DEPTH_MAX, TEXT_MAX},
    subject::Subject,
    term::term,
};
use self::{expr::Expr, known::Asked};

/// Which subjects are meant; all of them by default, and by an empty text.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    expr: Expr,
    text: String,
    /// Groups and sets that it names, and where.
    asked: Vec<Asked>,
}

impl Filter {
    /// Whether a subject is meant. A field that a subject does not have is no value of it: `port=443` does not
    /// mean a packet without ports, and `not port=443` does.
    pub fn matches(&self, subject: &Subject<'_>) -> bool {
        self.expr.matches(subject)
    }

    /// The fields that it asks for: who does not know them all cannot say what is meant.
    pub fn fields(&self) -> BTreeSet<Field> {
        self.expr.fields()
    }

    /// Whether everything is meant.
    pub fn is_empty(&self) -> bool {
        self.expr == Expr::default()
    }

    /// Checks that there are such groups and sets, or were: a filter by what nothing has means nothing.
    ///
    /// # Errors
    /// There is none so; the nearest is named.
    pub fn check(&self, known: &Known<'_>) -> Result<(), FilterError> {
        let unknown = self.asked.iter().find_map(|asked| known.fault(asked));
        unknown.map_or(Ok(()), |(at, fault)| {
            Err(FilterError::new(&self.text, at, fault))
        })
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let (expr, asked) =
            parse::parse(text).map_err(|(at, fault)| FilterError::new(text, at, fault))?;
        Ok(Self {
            expr,
            asked,
            text: text.to_owned(),
        })
    }
}

/// In normal form.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expr.fmt(f)
    }
}

/// Filters are equal that have the same normal form.
impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.expr == other.expr
    }
}

#[cfg(test)]
mod tests;
