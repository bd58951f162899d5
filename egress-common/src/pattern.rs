//! Name patterns as documents and configs write them.
//!
//! In: text such as `*.manage.microsoft.com`. Out: a [`NamePattern`], which matches names in user
//! space and gives the key under which the kernel's trie holds it.

use alloc::{borrow::ToOwned as _, string::String};
use core::{fmt, str::FromStr};

use crate::name::{LABEL_MAX, NAME_KEY_BYTES, NAME_MAX};

/// A pattern of host names, compared without regard to case.
///
/// | written | matches |
/// |---|---|
/// | `login.live.com` | that name |
/// | `*.x.y` | any name below `x.y`, at any depth, not `x.y` itself |
/// | `*x.y` | any name that ends so, `x.y` itself too |
/// | `a*.x.y`, `a.*.x.y`, `a-*.x.y` | literal head, at least one byte of anything, literal tail |
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamePattern {
    /// One name.
    Exact(String),
    /// All names that end in this tail; `.x.y` for `*.x.y`, `x.y` for `*x.y`.
    Tail(String),
    /// All names that begin with `head`, end in `tail` and have something between.
    HeadTail {
        /// What stands before the star.
        head: String,
        /// What stands after the star.
        tail: String,
    },
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatternError {
    /// Nothing, or only a star.
    Empty,
    /// More than one star.
    Stars,
    /// Longer than [`NAME_MAX`] bytes.
    TooLong,
    /// A label is empty or longer than [`LABEL_MAX`] bytes.
    Label,
    /// A byte that no host name holds: the first such character.
    Character(char),
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a name pattern needs a name"),
            Self::Stars => f.write_str("a name pattern may hold one `*`"),
            Self::TooLong => write!(f, "a name has at most {NAME_MAX} bytes"),
            Self::Label => write!(f, "each label of a name has 1 to {LABEL_MAX} bytes"),
            Self::Character(c) => write!(
                f,
                "{c:?} does not occur in host names: write letters, digits, `-`, `_`, `.` and one `*`"
            ),
        }
    }
}

impl core::error::Error for PatternError {}

impl FromStr for NamePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if let Some(c) = text
            .chars()
            .find(|c| !(c.is_ascii_alphanumeric() || "-_.*".contains(*c)))
        {
            return Err(PatternError::Character(c));
        }
        if text.is_empty() || text.trim_matches(['*', '.']).is_empty() {
            return Err(PatternError::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(PatternError::TooLong);
        }
        // The star stands for at least one byte of a label, so labels are checked with it in place.
        if text.split('.').any(|l| l.is_empty() || l.len() > LABEL_MAX) {
            return Err(PatternError::Label);
        }
        let text = text.to_ascii_lowercase();
        match text.split_once('*') {
            None => Ok(Self::Exact(text)),
            Some((_, tail)) if tail.contains('*') => Err(PatternError::Stars),
            Some(("", tail)) => Ok(Self::Tail(tail.to_owned())),
            Some((head, tail)) => Ok(Self::HeadTail {
                head: head.to_owned(),
                tail: tail.to_owned(),
            }),
        }
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Tail(tail) => write!(f, "*{tail}"),
            Self::HeadTail { head, tail } => write!(f, "{head}*{tail}"),
        }
    }
}

/// Key of a pattern in the kernel's trie: a prefix of reversed names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey {
    /// Reversed text, padded with zeros.
    pub bytes: [u8; NAME_KEY_BYTES],
    /// How many of `bytes` count, NUL of an exact name included.
    pub len: usize,
}

impl NameKey {
    /// Key of `text`, read from its end; `exact` adds the NUL that only a whole name has.
    fn reversed(text: &str, exact: bool) -> Self {
        let mut bytes = [0; NAME_KEY_BYTES];
        for (to, from) in bytes.iter_mut().zip(text.bytes().rev()) {
            *to = from;
        }
        Self {
            bytes,
            len: text.len() + usize::from(exact),
        }
    }

    /// The bytes that count.
    pub fn prefix(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl NamePattern {
    /// Whether the pattern matches `name`, a dotted name in any case, with or without final dot.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        match self {
            Self::Exact(exact) => name == *exact,
            // `*.x` needs a label before its dot; `*x` matches x itself.
            Self::Tail(tail) => {
                name.ends_with(tail) && (name.len() > tail.len() || !tail.starts_with('.'))
            }
            Self::HeadTail { head, tail } => {
                name.len() > head.len() + tail.len()
                    && name.starts_with(head)
                    && name.ends_with(tail)
            }
        }
    }

    /// Key in the kernel's trie; none for a head-and-tail pattern, which is no prefix of reversed names.
    pub fn key(&self) -> Option<NameKey> {
        match self {
            Self::Exact(name) => Some(NameKey::reversed(name, true)),
            Self::Tail(tail) => Some(NameKey::reversed(tail, false)),
            Self::HeadTail { .. } => None,
        }
    }

    /// Key of all names that end as the pattern does, for a pattern with a head.
    pub fn tail_key(&self) -> Option<NameKey> {
        match self {
            Self::HeadTail { tail, .. } => Some(NameKey::reversed(tail, false)),
            Self::Exact(_) | Self::Tail(_) => None,
        }
    }

    /// Whether every name that `narrow` matches is matched by this pattern too.
    pub fn covers(&self, narrow: &Self) -> bool {
        match (self, narrow) {
            (_, Self::Exact(name)) => self.matches(name),
            (Self::Exact(_), _) => false,
            (Self::Tail(wide), Self::Tail(tail) | Self::HeadTail { tail, .. }) => {
                tail.ends_with(wide)
            }
            (Self::HeadTail { .. }, Self::Tail(_)) => false,
            (
                Self::HeadTail { head, tail },
                Self::HeadTail {
                    head: narrow_head,
                    tail: narrow_tail,
                },
            ) => narrow_head.starts_with(head) && narrow_tail.ends_with(tail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> NamePattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_as_their_table_says() {
        let table = [
            ("login.live.com", "login.live.com", true),
            ("login.live.com", "LOGIN.Live.Com.", true),
            ("login.live.com", "x.login.live.com", false),
            ("*.x.y", "a.x.y", true),
            ("*.x.y", "a.b.x.y", true),
            ("*.x.y", "x.y", false),
            ("*.x.y", ".x.y", false),
            ("*.x.y", "ax.y", false),
            ("*x.y", "x.y", true),
            ("*x.y", "ax.y", true),
            ("*x.y", "a.x.y", true),
            ("*cdn.onenote.net", "site-cdn.onenote.net", true),
            (
                "autodiscover.*.onmicrosoft.com",
                "autodiscover.contoso.onmicrosoft.com",
                true,
            ),
            (
                "autodiscover.*.onmicrosoft.com",
                "autodiscover.onmicrosoft.com",
                false,
            ),
            ("a-*.x.y", "a-1.x.y", true),
            ("a-*.x.y", "a-.x.y", false),
            (
                "payloadprod*.blob.core.windows.net",
                "payloadprod7.blob.core.windows.net",
                true,
            ),
        ];
        for (text, name, expected) in table {
            assert_eq!(pattern(text).matches(name), expected, "{text} on {name}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_by_reason() {
        let table = [
            ("", PatternError::Empty),
            ("*", PatternError::Empty),
            ("*.", PatternError::Empty),
            ("a.*.*.b", PatternError::Stars),
            ("a..b", PatternError::Label),
            (".b", PatternError::Label),
            ("https://x.y", PatternError::Character(':')),
            ("x y", PatternError::Character(' ')),
            ("*/x.y", PatternError::Character('/')),
            ("bücher.de", PatternError::Character('ü')),
        ];
        for (text, expected) in table {
            assert_eq!(text.parse::<NamePattern>(), Err(expected), "{text}");
        }
        let long = "a".repeat(64);
        assert_eq!(long.parse::<NamePattern>(), Err(PatternError::Label));
        assert!(long[1..].parse::<NamePattern>().is_ok());
        let long = ["abcdefghi"; 26].join(".");
        let of = |bytes: usize| long[..bytes].parse::<NamePattern>();
        assert!(of(NAME_MAX).is_ok());
        assert_eq!(of(NAME_MAX + 1), Err(PatternError::TooLong));
        assert_eq!(of(long.len()), Err(PatternError::TooLong));
    }

    #[test]
    fn refusals_say_what_a_pattern_needs() {
        let table = [
            (PatternError::Empty, "a name pattern needs a name"),
            (PatternError::Stars, "a name pattern may hold one `*`"),
            (PatternError::TooLong, "a name has at most 253 bytes"),
            (
                PatternError::Label,
                "each label of a name has 1 to 63 bytes",
            ),
            (
                PatternError::Character(' '),
                "' ' does not occur in host names: write letters, digits, `-`, `_`, `.` and one `*`",
            ),
        ];
        for (error, text) in table {
            assert_eq!(error.to_string(), text);
        }
    }

    #[test]
    fn keys_are_prefixes_of_the_reversed_names_that_match() {
        let name = pattern("a.x.y").key().unwrap();
        assert_eq!(name.prefix(), b"y.x.a\0");
        assert_eq!(pattern("*.x.y").key().unwrap().prefix(), b"y.x.");
        assert_eq!(pattern("*x.y").key().unwrap().prefix(), b"y.x");
        let headed = pattern("a*.x.y");
        assert_eq!(headed.key(), None);
        assert_eq!(headed.tail_key().unwrap().prefix(), b"y.x.");
        assert_eq!(pattern("*.x.y").tail_key(), None);
        assert!(pattern("*.x.y").covers(&pattern("a.x.y")));
        assert!(pattern("*x.y").covers(&pattern("*.x.y")));
        assert!(!pattern("*.x.y").covers(&pattern("x.y")));
        assert!(!pattern("*.x.y").covers(&pattern("*x.y")));
    }

    #[test]
    fn a_pattern_covers_what_is_narrower_at_either_end() {
        let table = [
            ("*.x.y", "a*.x.y", true),
            ("*.x.y", "a*x.y", false),
            ("a*.y", "ab*.x.y", true),
            ("a*.x.y", "a*.y", false),
            ("ab*.y", "a*.y", false),
            ("a*.y", "a1.y", true),
            ("a*.y", "a.y", false),
            ("a*.y", "*.y", false),
            ("a.y", "a.y", true),
            ("a.y", "*.y", false),
            ("*x.y", "x.y", true),
        ];
        for (wide, narrow, expected) in table {
            let covers = pattern(wide).covers(&pattern(narrow));
            assert_eq!(covers, expected, "{wide} over {narrow}");
        }
    }

    #[test]
    fn patterns_print_as_they_were_written() {
        for text in ["a.b", "*.a.b", "*a.b", "a.*.b", "a-*.b.c"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }
}
