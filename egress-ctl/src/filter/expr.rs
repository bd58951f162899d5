//! Terms joined by `and`, `or` and `not`.

use std::{
    collections::BTreeSet,
    fmt::{self, Display as _},
};

use super::{field::Field, subject::Subject, term::Term};

/// What a filter says; built by [`Expr::not`], [`Expr::all`] and [`Expr::any`], it is in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    Term(Term),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

/// Everything is meant.
impl Default for Expr {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

impl Expr {
    /// The contrary.
    pub(super) fn not(of: Self) -> Self {
        match of {
            Self::Not(of) => *of,
            of => Self::Not(Box::new(of)),
        }
    }

    /// All of them hold.
    pub(super) fn all(of: Vec<Self>) -> Self {
        let flat = of.into_iter().flat_map(|one| match one {
            Self::All(of) => of,
            one => vec![one],
        });
        alone(flat.collect()).unwrap_or_else(Self::All)
    }

    /// One of them holds.
    pub(super) fn any(of: Vec<Self>) -> Self {
        let flat = of.into_iter().flat_map(|one| match one {
            Self::Any(of) => of,
            one => vec![one],
        });
        alone(flat.collect()).unwrap_or_else(Self::Any)
    }

    pub(super) fn matches(&self, subject: &Subject<'_>) -> bool {
        match self {
            Self::Term(term) => term.matches(subject),
            Self::Not(of) => !of.matches(subject),
            Self::All(of) => of.iter().all(|one| one.matches(subject)),
            Self::Any(of) => of.iter().any(|one| one.matches(subject)),
        }
    }

    /// The fields that it asks for.
    pub(super) fn fields(&self) -> BTreeSet<Field> {
        match self {
            Self::Term(term) => term.fields().collect(),
            Self::Not(of) => of.fields(),
            Self::All(of) | Self::Any(of) => of.iter().flat_map(Self::fields).collect(),
        }
    }

    /// How loosely it holds together: what is looser than its surroundings needs parentheses.
    fn looseness(&self) -> u8 {
        match self {
            Self::Term(_) | Self::Not(_) => 0,
            Self::All(_) => 1,
            Self::Any(_) => 2,
        }
    }

    fn fmt_below(&self, above: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.looseness() >= above {
            true => write!(f, "({self})"),
            false => self.fmt(f),
        }
    }
}

/// The only one; else all of them again.
fn alone(mut of: Vec<Expr>) -> Result<Expr, Vec<Expr>> {
    match (of.len(), of.pop()) {
        (1, Some(one)) => Ok(one),
        (_, last) => {
            of.extend(last);
            Err(of)
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, word) = match self {
            Self::Term(term) => return term.fmt(f),
            Self::Not(of) => {
                f.write_str("not ")?;
                return of.fmt_below(1, f);
            }
            Self::All(of) => (of, "and"),
            Self::Any(of) => (of, "or"),
        };
        for (i, one) in of.iter().enumerate() {
            if i > 0 {
                write!(f, " {word} ")?;
            }
            one.fmt_below(self.looseness(), f)?;
        }
        Ok(())
    }
}
