//! What sentences of a page demand.
//!
//! In: a paragraph, a remark or a note. Out: [`Demand`]s, told by words that such sentences have.

use jiff::civil::Date;

use super::{address::names_in, front::date};
use crate::catalogue::demand::{Demand, What};

/// The demands of a text in the section of this path.
pub(super) fn demands(text: &str, section: &str, line: u32) -> Vec<Demand> {
    let all = sentences(text).into_iter().flat_map(|sentence| {
        let lower = sentence.to_lowercase();
        let names = names_in(&sentence);
        let of = move |(what, until)| Demand {
            what,
            section: names.is_empty().then(|| section.to_owned()),
            names: names.clone(),
            until,
            line: Some(line),
        };
        kinds(&lower, &sentence).into_iter().map(of)
    });
    all.collect()
}

/// A dot ends a sentence where a space follows.
fn sentences(text: &str) -> Vec<String> {
    let ends = text.replace(". ", ".\n").replace("。", "。\n");
    ends.lines().map(str::to_owned).collect()
}

fn kinds(lower: &str, sentence: &str) -> Vec<(What, Option<Date>)> {
    let any = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let mut kinds = Vec::new();
    let tls =
        any(&["ssl", "tls"]) && any(&["inspect", "decrypt", "überprüf", "inspecci", "inspección"]);
    if tls
        && any(&[
            "not ", "n't", "nicht", "no se ", "bypass", "exempt", "exclude",
        ])
    {
        kinds.push((What::NoTlsInspection, None));
    }
    if lower.contains("proxy")
        && any(&[
            "unauthenticated",
            "nicht authentifiziert",
            "no autenticad",
            "non authentifi",
        ])
    {
        kinds.push((What::UnauthenticatedProxy, None));
    }
    if any(&[
        "partial response",
        "byte range",
        "byte-range",
        "range request",
    ]) {
        kinds.push((What::PartialResponse, None));
    }
    let ending = [
        "disabled",
        "retire",
        "deprecat",
        "removed",
        "discontinue",
        "end of",
        "decommission",
        "no longer",
    ];
    if any(&ending)
        && let Some(day) = day_in(sentence)
    {
        kinds.push((What::Ends, Some(day)));
    }
    kinds
}

/// `3/31/2025`, `2025-03-31`, `March 31, 2025` or `31 March 2025`.
fn day_in(text: &str) -> Option<Date> {
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || ",()".contains(c))
        .collect();
    let words: Vec<&str> = words
        .into_iter()
        .map(|w| w.trim_end_matches(['.', ';']))
        .filter(|w| !w.is_empty())
        .collect();
    if let Some(day) = words.iter().find_map(|word| date(word)) {
        return Some(day);
    }
    words.windows(3).find_map(|three| {
        let [a, b, year] = three else { return None };
        let (month, day) = month(a)
            .map(|m| (m, b))
            .or_else(|| month(b).map(|m| (m, a)))?;
        Date::new(year.parse().ok()?, month, day.parse().ok()?).ok()
    })
}

fn month(word: &str) -> Option<i8> {
    const MONTHS: [&str; 12] = [
        "january",
        "february",
        "march",
        "april",
        "may",
        "june",
        "july",
        "august",
        "september",
        "october",
        "november",
        "december",
    ];
    let word = word.to_lowercase();
    let at = MONTHS.iter().position(|month| *month == word)?;
    i8::try_from(at + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_demand() {
        let table: [(&str, What, &[&str]); 6] = [
            (
                "SSL inspection isn't possible for '*.a.example' and b.example.",
                What::NoTlsInspection,
                &["*.a.example", "b.example"],
            ),
            (
                "See that TLS inspection is not in place here.",
                What::NoTlsInspection,
                &[],
            ),
            (
                "Some tasks need unauthenticated proxy access to a.example",
                What::UnauthenticatedProxy,
                &["a.example"],
            ),
            (
                "Proxies have to pass byte range requests.",
                What::PartialResponse,
                &[],
            ),
            (
                "b.example is retired after March 31, 2025",
                What::Ends,
                &["b.example"],
            ),
            (
                "b.example will be disabled after 3/31/2025",
                What::Ends,
                &["b.example"],
            ),
        ];
        for (text, what, names) in table {
            let found = demands(text, "core", 7);
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!(found[0].what, what, "{text}");
            assert_eq!(found[0].names, names, "{text}");
            assert_eq!(found[0].section.is_some(), names.is_empty(), "{text}");
            assert_eq!(
                found[0].until,
                (what == What::Ends).then(|| Date::constant(2025, 3, 31))
            );
        }
        assert_eq!(demands("TLS is used. Ports were removed.", "", 1), []);
    }
}
