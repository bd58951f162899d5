//! The same thing twice.

use std::collections::{HashMap, HashSet};

use super::about;
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Names, prefixes and scale units that one set lists twice.
pub(super) fn within(set: &EndpointSet) -> Vec<Finding> {
    let urls = set.urls.iter().map(ToString::to_string);
    let ips = set.ips.iter().map(ToString::to_string);
    let units = set.scale_units.iter().cloned();
    let mut seen = HashSet::new();
    let twice = urls
        .chain(ips)
        .chain(units)
        .filter(|item| !seen.insert(item.clone()));
    twice
        .map(|item| {
            about(
                set,
                Severity::Warning,
                "duplicate",
                format!("{item} stands here twice"),
            )
        })
        .collect()
}

/// Sets of one source with the same id.
pub(super) fn ids(sets: &[&EndpointSet]) -> Vec<Finding> {
    let mut first: HashMap<(&str, u32), &EndpointSet> = HashMap::new();
    let mut findings = Vec::new();
    for set in sets {
        let Some(id) = set.id else { continue };
        let Some(other) = first.get(&(set.source.as_str(), id)) else {
            first.insert((&set.source, id), set);
            continue;
        };
        let same = (&other.urls, &other.ips) == (&set.urls, &set.ips);
        let line = other
            .line
            .map(|line| format!(" of line {line}"))
            .unwrap_or_default();
        let how = if same {
            "with the same addresses"
        } else {
            "with other addresses"
        };
        let message = format!("id {id} is that of {}{line} too, {how}", other.key);
        findings.push(about(set, Severity::Warning, "duplicate-id", message));
    }
    findings
}
