//! What is told of a value that is not valid: the value, and the nearest one that is.
//!
//! In: a value and those that there are. Out: the words of a message.

use crate::catalogue::nearest::nearest;

/// The known word that is written most like an unknown one, as the end of a message; nothing where there is
/// none.
pub(super) fn nearest_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut near = nearest(word, known, |known| (*known).to_owned());
    near.next().map_or_else(String::new, is_nearest)
}

/// Names the nearest valid value, as the end of a message.
pub(super) fn is_nearest(value: impl std::fmt::Display) -> String {
    format!(", the nearest is `{value}`")
}

/// A word that is none of those that there are.
pub(super) fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    let near = nearest_of(word, known.iter().copied());
    format!("unknown {what} `{word}`{near}; there are {}", listed(known))
}

/// `a`, `b` and `c`.
fn listed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => quoted.concat(),
    }
}

/// What a value of the wrong type would be in the type that is `expected`, as serde calls it; `written` as it
/// stands in the file.
pub(super) fn converted(written: &str, expected: &str) -> Option<String> {
    let plain = written.trim_matches(['"', '\'']);
    let is_single = !written.starts_with(['[', '{']) && !written.contains('\n');
    match expected {
        "a string" if is_single => Some(format!("\"{plain}\"")),
        "a sequence" if is_single => Some(format!("[{written}]")),
        "a boolean" => match plain.to_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some("true".to_owned()),
            "false" | "no" | "off" | "0" => Some("false".to_owned()),
            _ => None,
        },
        "i64" => {
            let whole = plain.split('.').next()?;
            whole.parse::<i64>().ok().map(|number| number.to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_type_is_converted() {
        let table = [
            ("\"lan\"", "a sequence", Some("[\"lan\"]")),
            ("5", "a string", Some("\"5\"")),
            ("[5]", "a string", None),
            ("\"yes\"", "a boolean", Some("true")),
            ("0", "a boolean", Some("false")),
            ("\"maybe\"", "a boolean", None),
            ("\"60\"", "i64", Some("60")),
            ("1.5", "i64", Some("1")),
            ("\"soon\"", "i64", None),
        ];
        for (written, expected, converted) in table {
            let found = super::converted(written, expected);
            assert_eq!(found.as_deref(), converted, "{written} as {expected}");
        }
    }

    #[test]
    fn words_are_listed_as_one_speaks() {
        let message = unknown("mode", "of", &["audit", "enforce", "off"]);
        let expected =
            "unknown mode `of`, the nearest is `off`; there are `audit`, `enforce` and `off`";
        assert_eq!(message, expected);
        assert_eq!(listed(&["a"]), "`a`");
    }
}
