//! Where name patterns meet.
//!
//! An address is taught by what matches its name. Most often that is one pattern, which covers no other that
//! matches; but `a*.y` and `*.x.y` both match `a1.x.y`, and neither covers the other. Such a *meeting* has a
//! text and an id like a pattern.

use egress_common::pattern::NamePattern;

/// Stands between the patterns of a meeting; it occurs in no pattern.
const BETWEEN: &str = " & ";

/// Those patterns that cover no other one.
pub fn narrowest<'a>(patterns: impl IntoIterator<Item = &'a NamePattern>) -> Vec<&'a NamePattern> {
    let mut narrowest: Vec<&NamePattern> = Vec::new();
    for pattern in patterns {
        if narrowest.iter().any(|narrow| pattern.covers(narrow)) {
            continue;
        }
        narrowest.retain(|wide| !wide.covers(pattern));
        narrowest.push(pattern);
    }
    narrowest.sort();
    narrowest
}

/// The text of a meeting; of one pattern its own.
pub fn text(narrowest: &[&NamePattern]) -> String {
    let texts: Vec<_> = narrowest.iter().map(ToString::to_string).collect();
    texts.join(BETWEEN)
}

/// Whether a text is one of several patterns.
pub fn is_meeting(text: &str) -> bool {
    text.contains(BETWEEN)
}

/// The patterns of such a text; none where it is no text of patterns.
pub fn patterns(text: &str) -> Vec<NamePattern> {
    let patterns = text.split(BETWEEN).map(str::parse);
    patterns.collect::<Result<_, _>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_patterns_that_cover_each_other_the_narrowest_remains() {
        let table: [(&[&str], &str); 4] = [
            (&["*.y", "*.x.y", "a*.y"], "*.x.y & a*.y"),
            (&["a*.x.y", "*.y", "a*.y"], "a*.x.y"),
            (&["ab*.y", "a*.x.y", "a*.y"], "a*.x.y & ab*.y"),
            (&[], ""),
        ];
        for (all, expected) in table {
            let all: Vec<NamePattern> = all.iter().map(|text| text.parse().unwrap()).collect();
            let met = text(&narrowest(&all));
            assert_eq!(met, expected);
            let again = patterns(&met);
            assert_eq!(text(&again.iter().collect::<Vec<_>>()), expected);
        }
        assert!(patterns("unknown & ?").is_empty());
        assert!(is_meeting("*.x.y & a*.y") && !is_meeting("*.x.y"));
    }
}
