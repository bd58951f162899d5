//! What is wrong with endpoint sets, or worth a look.
//!
//! In: endpoint sets of one or several sources, and the day. Out: findings, sorted by severity,
//! source and line. Each rule stands in one file.

mod broad;
mod conflict;
mod contradiction;
mod gap;
mod repeat;
mod typo;

use jiff::civil::Date;

use super::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// All findings about `sets`, besides those that their importer made.
pub fn lint(sets: &[&EndpointSet], today: Date) -> Vec<Finding> {
    let mut findings = Vec::new();
    for set in sets {
        findings.extend(repeat::within(set));
        findings.extend(gap::gaps(set));
        findings.extend(gap::expired(set, today));
        findings.extend(broad::wildcards(set));
    }
    findings.extend(repeat::ids(sets));
    findings.extend(conflict::names(sets));
    findings.extend(conflict::prefixes(sets));
    findings.extend(contradiction::sources(sets));
    findings.extend(typo::typos(sets));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// A finding about a set.
fn about(set: &EndpointSet, severity: Severity, rule: &'static str, message: String) -> Finding {
    Finding {
        severity,
        rule,
        line: set.line,
        set: Some(set.key.clone()),
        message,
    }
}

/// The ports of a set, as findings print them.
fn ports(set: &EndpointSet) -> String {
    let named = [("tcp", &set.tcp_ports), ("udp", &set.udp_ports)];
    let named = named.iter().filter(|(_, ports)| !ports.is_empty());
    let named: Vec<_> = named
        .map(|(protocol, ports)| format!("{protocol} {ports}"))
        .collect();
    if named.is_empty() {
        "no port".to_owned()
    } else {
        named.join(" ")
    }
}

#[cfg(test)]
mod tests;
