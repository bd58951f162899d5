//! Sources that say different things of the same name: a document and a feed.

use std::collections::BTreeMap;

use egress_common::pattern::NamePattern;

use super::{about, ports};
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Names that two sources list with ports, category or need that no set of the other has.
pub(super) fn sources(sets: &[&EndpointSet]) -> Vec<Finding> {
    let mut places: BTreeMap<&NamePattern, BTreeMap<&str, Vec<&EndpointSet>>> = BTreeMap::new();
    for set in sets {
        for url in &set.urls {
            places
                .entry(url)
                .or_default()
                .entry(&set.source)
                .or_default()
                .push(set);
        }
    }
    let mut findings = Vec::new();
    for (url, by_source) in places {
        let all: Vec<_> = by_source.values().collect();
        for (i, ours) in all.iter().enumerate() {
            for theirs in all.iter().skip(i + 1) {
                findings.extend(contradiction(url, ours, theirs));
            }
        }
    }
    findings
}

fn contradiction(
    url: &NamePattern,
    ours: &[&EndpointSet],
    theirs: &[&EndpointSet],
) -> Option<Finding> {
    let agree = |ours: &EndpointSet| theirs.iter().any(|theirs| told(ours) == told(theirs));
    if ours.iter().any(|set| agree(set)) {
        return None;
    }
    let (one, other) = (ours.first()?, theirs.first()?);
    let message = format!(
        "{url}: {} says {}, {} says {}",
        one.key,
        told(one),
        other.key,
        told(other)
    );
    Some(about(one, Severity::Warning, "contradiction", message))
}

fn told(set: &EndpointSet) -> String {
    let need = if set.required { "required" } else { "optional" };
    format!("{}, {}, {need}", ports(set), set.category)
}
