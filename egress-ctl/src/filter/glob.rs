//! A text, or all that begin and end as one with a `*` does.

use std::fmt;

/// What is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob {
    head: String,
    /// What stands behind the star; none where there is no star.
    tail: Option<String>,
}

impl Glob {
    /// Of a text with a star at most; none where there are more.
    pub(super) fn new(text: &str) -> Option<Self> {
        let (head, tail) = match text.split_once('*') {
            Some((head, tail)) => (head, Some(tail)),
            None => (text, None),
        };
        (!tail.is_some_and(|tail| tail.contains('*'))).then(|| Self {
            head: head.to_owned(),
            tail: tail.map(str::to_owned),
        })
    }

    /// Whether it is the empty text, which stands for nothing at all.
    pub(super) fn is_empty(&self) -> bool {
        self.head.is_empty() && self.tail.is_none()
    }

    /// Whether a text is meant; the star stands for anything, and for nothing.
    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.tail {
            None => text == self.head,
            Some(tail) => {
                let behind = text.strip_prefix(self.head.as_str());
                behind.is_some_and(|behind| behind.ends_with(tail.as_str()))
            }
        }
    }
}

/// As it is written, without quotation marks.
impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.head)?;
        match &self.tail {
            Some(tail) => write!(f, "*{tail}"),
            None => Ok(()),
        }
    }
}
