//! Names one edit away from a sibling.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
};

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
    let mut sources: BTreeMap<&str, Labels<'_>> = BTreeMap::new();
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

/// The sets that have each label.
type Labels<'a> = BTreeMap<String, Vec<&'a EndpointSet>>;

fn in_source(labels: &Labels<'_>) -> Vec<Finding> {
    let pairs = pairs(labels).into_iter();
    let suspects = pairs.map(|(a, b)| {
        if is_suspect(a, b, labels) {
            (a, b)
        } else {
            (b, a)
        }
    });
    let findings = suspects.filter_map(|(suspect, other)| {
        let set = labels.get(suspect)?.first()?;
        let message = format!("{suspect} is one edit away from {other}: a typo?");
        Some(about(set, Severity::Warning, "typo", message))
    });
    findings.collect()
}

/// Labels that are one edit apart, each pair once.
fn pairs<'a>(labels: &'a Labels<'_>) -> BTreeSet<(&'a str, &'a str)> {
    // They share what is left after one letter is taken out.
    let mut shapes: HashMap<String, Vec<&str>> = HashMap::new();
    for label in labels.keys() {
        for shape in shapes_of(label) {
            shapes.entry(shape).or_default().push(label);
        }
    }
    let mut pairs = BTreeSet::new();
    for alike in shapes.values().filter(|alike| alike.len() <= MOST_ALIKE) {
        for (i, a) in alike.iter().enumerate() {
            let others = alike.iter().skip(i + 1).filter(|b| is_typo(a, b));
            pairs.extend(others.map(|b| (*a.min(b), *a.max(b))));
        }
    }
    pairs
}

/// Series such as `swda`, `swdb`, .. have more members than a typo has.
const MOST_ALIKE: usize = 3;

/// Whether `a` rather than `b` is wrong: the rarer, or the one that is no part of a host's name.
fn is_suspect(a: &str, b: &str, labels: &Labels<'_>) -> bool {
    let sets = |label: &str| labels.get(label).map(Vec::as_slice).unwrap_or_default();
    let is_host = |label: &str| {
        let mut urls = sets(label).iter().flat_map(|set| &set.urls);
        urls.any(|url| url.to_string().split('.').any(|part| part == label))
    };
    match sets(a).len().cmp(&sets(b).len()) {
        Ordering::Less => true,
        Ordering::Equal => !is_host(a) || is_host(b),
        Ordering::Greater => false,
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
