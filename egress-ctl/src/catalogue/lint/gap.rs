//! What a set lacks, or has no more.

use jiff::civil::Date;

use super::about;
use crate::catalogue::{
    finding::{Finding, Severity},
    set::EndpointSet,
};

/// Sets without ports, and sets without addresses.
pub(super) fn gaps(set: &EndpointSet) -> Vec<Finding> {
    let nowhere = set.urls.is_empty() && set.ips.is_empty();
    let gaps = [
        (
            set.is_portless() && nowhere,
            Severity::Error,
            "names neither port nor address",
        ),
        (
            set.is_portless() && !nowhere,
            Severity::Warning,
            "names no port, so that it is reachable on none",
        ),
        (
            !set.is_portless() && nowhere,
            Severity::Error,
            "names no address",
        ),
    ];
    let gaps = gaps.into_iter().filter(|(is, ..)| *is);
    gaps.map(|(_, severity, text)| about(set, severity, "gap", text.to_owned()))
        .collect()
}

/// Names that ended before `today`, or will.
pub(super) fn expired(set: &EndpointSet, today: Date) -> Vec<Finding> {
    let ending = set
        .demands
        .iter()
        .filter_map(|demand| Some((demand, demand.until?)));
    ending
        .map(|(demand, until)| {
            let names = demand.names.join(", ");
            if demand.is_over(today) {
                about(
                    set,
                    Severity::Warning,
                    "expired",
                    format!("{names} ended after {until}"),
                )
            } else {
                about(
                    set,
                    Severity::Note,
                    "expires",
                    format!("{names} ends after {until}"),
                )
            }
        })
        .collect()
}
