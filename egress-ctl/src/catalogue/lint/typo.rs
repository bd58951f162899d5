//! Names one edit away from a sibling.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::about;
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Shorter labels differ by a letter on purpose.
const SHORTEST: usize = 8;

/// Labels that are the same as another of their source but for two letters that changed places,
/// or for one letter too many; the rarer is the suspect.
pub(super) fn typos(sets: &[&EndpointSet]) -> Vec<Finding> {
    let mut sources: BTreeMap<&str, BTreeMap<String, Vec<&EndpointSet>>> = BTreeMap::new();
    for set in sets {
        let labels = sources.entry(&set.source).or_default();
        for label in labels_of(set) {
            labels.entry(label).or_default().push(set);
        }
    }
    sources.values().flat_map(in_source).collect()
}

/// Labels of names and storage accounts that are long enough, once a set.
fn labels_of(set: &EndpointSet) -> BTreeSet<String> {
    let names = set
        .urls
        .iter()
        .map(ToString::to_string)
        .chain(set.storage.clone());
    let labels = names.flat_map(|name| name.split('.').map(str::to_lowercase).collect::<Vec<_>>());
    labels.filter(|label| label.len() >= SHORTEST).collect()
}

fn in_source(labels: &BTreeMap<String, Vec<&EndpointSet>>) -> Vec<Finding> {
    let mut findings = Vec::new();
    // Labels that are one edit apart share what is left after one letter is taken out.
    let mut shapes: HashMap<String, Vec<&str>> = HashMap::new();
    for label in labels.keys() {
        for shape in shapes_of(label) {
            shapes.entry(shape).or_default().push(label);
        }
    }
    let mut pairs = BTreeSet::new();
    for alike in shapes
        .values()
        .filter(|alike| (2..=MOST_ALIKE).contains(&alike.len()))
    {
        for (i, a) in alike.iter().enumerate() {
            pairs.extend(
                alike
                    .iter()
                    .skip(i + 1)
                    .filter(|b| is_typo(a, b))
                    .map(|b| (*a.min(b), *a.max(b))),
            );
        }
    }
    for (a, b) in pairs {
        let (Some(of_a), Some(of_b)) = (labels.get(a), labels.get(b)) else {
            continue;
        };
        let (suspect, set, other) = if of_a.len() <= of_b.len() {
            (a, of_a, b)
        } else {
            (b, of_b, a)
        };
        let (suspect, set, other) = if of_a.len() == of_b.len() {
            settled(a, of_a, b, of_b)
        } else {
            (suspect, set, other)
        };
        if let Some(set) = set.first() {
            let message = format!("{suspect} is one edit away from {other}: a typo?");
            findings.push(about(set, Severity::Warning, "typo", message));
        }
    }
    findings
}

/// Series such as `swda`, `swdb`, .. have more members than a typo has.
const MOST_ALIKE: usize = 3;

/// Of two labels that are equally common, the one that is no host's name is the suspect.
fn settled<'a, 'b>(
    a: &'a str,
    of_a: &'b Vec<&'b EndpointSet>,
    b: &'a str,
    of_b: &'b Vec<&'b EndpointSet>,
) -> (&'a str, &'b Vec<&'b EndpointSet>, &'a str) {
    let is_host = |label: &str, sets: &[&EndpointSet]| {
        sets.iter()
            .flat_map(|set| &set.urls)
            .any(|url| url.to_string().split('.').any(|part| part == label))
    };
    if is_host(a, of_a) && !is_host(b, of_b) {
        (b, of_b, a)
    } else {
        (a, of_a, b)
    }
}

fn shapes_of(label: &str) -> BTreeSet<String> {
    let mut shapes: BTreeSet<String> = (0..label.len())
        .filter(|at| label.is_char_boundary(*at) && label.is_char_boundary(*at + 1))
        .map(|at| format!("{}{}", &label[..at], &label[at + 1..]))
        .collect();
    shapes.insert(label.to_owned());
    shapes
}

/// Two neighbours that changed places, or one letter more; digits count, they do not err.
fn is_typo(a: &str, b: &str) -> bool {
    let (short, long) = if a.len() <= b.len() {
        (a.as_bytes(), b.as_bytes())
    } else {
        (b.as_bytes(), a.as_bytes())
    };
    let same_head = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same_head..], &long[same_head..]);
    match (short, long) {
        ([a, b, rest @ ..], [c, d, tail @ ..]) if short.len() == long.len() => {
            a == d && b == c && rest == tail && a.is_ascii_alphabetic() && b.is_ascii_alphabetic()
        }
        (rest, [more, tail @ ..]) if rest.len() == tail.len() => {
            rest == tail && more.is_ascii_alphabetic() && !tail.is_empty()
        }
        _ => false,
    }
}
