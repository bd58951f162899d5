//! Wildcards that cover all customers of a provider.

use egress_common::pattern::NamePattern;

use super::about;
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Domains below which anybody can rent a name, but which the list of public suffixes lacks.
const SHARED: [&str; 6] = [
    "servicebus.windows.net",
    "servicebus.usgovcloudapi.net",
    "azureedge.net",
    "webpubsub.azure.com",
    "communication.azure.com",
    "logic.azure.com",
];

/// Wildcards of the set whose domain is a public suffix.
pub(super) fn wildcards(set: &EndpointSet) -> Vec<Finding> {
    let tails = set.urls.iter().filter_map(|url| match url {
        NamePattern::Tail(tail) => Some((url, tail.trim_start_matches('.'))),
        NamePattern::Exact(_) | NamePattern::HeadTail { .. } => None,
    });
    let broad = tails.filter(|(_, domain)| is_shared(domain));
    broad
        .map(|(url, _)| {
            let message =
                format!("{url} covers every customer of that provider, not this service alone");
            about(set, Severity::Warning, "broad", message)
        })
        .collect()
}

fn is_shared(domain: &str) -> bool {
    let suffix = psl::suffix(domain.as_bytes());
    let is_suffix =
        suffix.is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == domain.as_bytes());
    is_suffix || SHARED.contains(&domain)
}
