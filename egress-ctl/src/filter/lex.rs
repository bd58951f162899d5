//! The words and signs of a filter, each with its place.

use std::ops::Range;

use super::error::Fault;

/// A word or sign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Open,
    Close,
    Comma,
    Equals,
    Differs,
    And,
    Or,
    Not,
    /// Any other word, plain or in quotation marks.
    Word(String),
    /// Nothing comes any more.
    End,
}

/// A token, and the bytes that it is written in.
pub(super) type Placed = (Token, Range<usize>);

/// Signs, the longer of two that begin alike first.
const SIGNS: [(&str, Token); 11] = [
    ("(", Token::Open),
    (")", Token::Close),
    (",", Token::Comma),
    ("==", Token::Equals),
    ("=", Token::Equals),
    ("!=", Token::Differs),
    ("!", Token::Not),
    ("&&", Token::And),
    ("&", Token::And),
    ("||", Token::Or),
    ("|", Token::Or),
];

/// Whether a character may stand in a word without quotation marks.
fn is_plain(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || "()\",=!&|\\".contains(c))
}

/// All tokens of a text; the last one is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, (Range<usize>, Fault)> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let blank = rest.len() - rest.trim_start().len();
        at += blank;
        let rest = rest.trim_start();
        let Some(c) = rest.chars().next() else {
            tokens.push((Token::End, at..at));
            return Ok(tokens);
        };
        let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
        let (token, len) = match sign {
            Some((sign, token)) => (token.clone(), sign.len()),
            None if c == '"' => unquoted(rest).map_err(|fault| (at..at + 1, fault))?,
            None => {
                let len = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
                if len == 0 {
                    let what = "a word; other characters stand in quotation marks".to_owned();
                    return Err((at..at + c.len_utf8(), Fault::Expected(what)));
                }
                let word = rest.get(..len).unwrap_or_default();
                let token = operator(word).unwrap_or_else(|| Token::Word(word.to_owned()));
                (token, len)
            }
        };
        tokens.push((token, at..at + len));
        at += len;
    }
}

/// The operator that a plain word is, in any case; none where it is a word like others.
fn operator(word: &str) -> Option<Token> {
    let named = [("and", Token::And), ("or", Token::Or), ("not", Token::Not)];
    let mut named = named.into_iter();
    let found = named.find(|(name, _)| word.eq_ignore_ascii_case(name));
    found.map(|(_, token)| token)
}

/// The text between quotation marks at the beginning, and how many bytes both take.
fn unquoted(rest: &str) -> Result<(Token, usize), Fault> {
    let mut word = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Token::Word(word), at + 1)),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => word.push(c),
                Some(_) => return Err(Fault::Escape),
                None => break,
            },
            c => word.push(c),
        }
    }
    Err(Fault::Open)
}

/// A value as it is written: in quotation marks where it has to be.
pub(super) fn quoted(value: &str) -> String {
    if !value.is_empty() && value.chars().all(is_plain) && operator(value).is_none() {
        return value.to_owned();
    }
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}
