//! One destination with different ports.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;

use super::{about, ports};
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Names that two sets of one source list with different ports.
pub(super) fn names(sets: &[&EndpointSet]) -> Vec<Finding> {
    let mut places: BTreeMap<(&str, String), Vec<&EndpointSet>> = BTreeMap::new();
    for set in sets {
        let names: BTreeSet<_> = set.urls.iter().map(ToString::to_string).collect();
        for name in names {
            places.entry((&set.source, name)).or_default().push(set);
        }
    }
    let several = places.into_iter().filter(|(_, sets)| differ(sets));
    several
        .flat_map(|((_, name), sets)| told(&sets, "name-ports", &name))
        .collect()
}

fn differ(sets: &[&EndpointSet]) -> bool {
    sets.windows(2).any(|two| {
        let [a, b] = two else { return false };
        (&a.tcp_ports, &a.udp_ports) != (&b.tcp_ports, &b.udp_ports)
    })
}

/// One finding, at the last of the sets, that names all.
fn told(sets: &[&EndpointSet], rule: &'static str, what: &str) -> Option<Finding> {
    let all: Vec<_> = sets
        .iter()
        .map(|set| format!("{} ({})", set.key, ports(set)))
        .collect();
    let message = format!("{what} has different ports in {}", all.join(", "));
    Some(about(sets.last()?, Severity::Note, rule, message))
}

/// Equal and nested prefixes of one source with different ports.
pub(super) fn prefixes(sets: &[&EndpointSet]) -> Vec<Finding> {
    let mut places: Vec<(&str, IpNet, &EndpointSet)> = Vec::new();
    for set in sets.iter().filter(|set| !set.is_portless() && !set.extra) {
        let prefixes: BTreeSet<_> = set.ips.iter().collect();
        places.extend(
            prefixes
                .into_iter()
                .map(|prefix| (set.source.as_str(), *prefix, *set)),
        );
    }
    // Sorted so, a prefix comes before all that lie in it.
    places.sort_by_key(|(source, prefix, _)| (*source, prefix.network(), prefix.prefix_len()));
    let mut around: Vec<(&str, IpNet, &EndpointSet)> = Vec::new();
    let mut findings = Vec::new();
    for place in places {
        let (source, prefix, set) = place;
        around.retain(|(of, wide, _)| *of == source && wide.contains(&prefix));
        for (_, wide, other) in &around {
            if differ(&[other, set]) {
                findings.push(overlap(set, prefix, other, *wide));
            }
        }
        around.push(place);
    }
    findings
}

fn overlap(set: &EndpointSet, prefix: IpNet, other: &EndpointSet, wide: IpNet) -> Finding {
    let (own, others) = (ports(set), ports(other));
    let message = if prefix == wide {
        format!("{prefix} ({own}) stands in {} too ({others})", other.key)
    } else {
        format!(
            "{prefix} ({own}) lies in {wide} of {} ({others})",
            other.key
        )
    };
    about(set, Severity::Note, "prefix-ports", message)
}
