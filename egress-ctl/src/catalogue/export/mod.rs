//! Endpoint sets for other programs, one file a format.
//!
//! In: the sets of a selection. Out: text.

mod nft;
mod pac;
mod web;

use std::collections::BTreeSet;

use clap::ValueEnum;
use ipnet::IpNet;

use super::set::EndpointSet;

pub use self::pac::Proxy;

/// Formats that other programs read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// Sets of nftables: prefixes and ports
    Nft,
    /// Text list of names and prefixes (external dynamic list)
    Edl,
    /// Proxy auto-configuration: Optimize and Allow direct, the rest to a proxy
    Pac,
    /// JSON as the Microsoft 365 web service writes it
    Json,
    /// CSV as the Microsoft 365 web service writes it
    Csv,
}

/// The text of `sets` in a format; `proxy` is for [`Target::Pac`] alone.
pub fn export(target: Target, sets: &[&EndpointSet], proxy: &Proxy) -> String {
    match target {
        Target::Nft => nft::text(sets),
        Target::Edl => lines(names(sets)) + &lines(prefixes(sets)),
        Target::Pac => pac::text(sets, proxy),
        Target::Json => web::json(sets),
        Target::Csv => web::csv(sets),
    }
}

/// The names of sets, sorted, each once.
pub fn names(sets: &[&EndpointSet]) -> BTreeSet<String> {
    let urls = sets.iter().flat_map(|set| &set.urls);
    urls.map(ToString::to_string).collect()
}

/// The prefixes of sets, sorted, each once.
pub fn prefixes(sets: &[&EndpointSet]) -> BTreeSet<IpNet> {
    sets.iter()
        .flat_map(|set| set.ips.iter().copied())
        .collect()
}

/// The ports of sets, `tcp 443`, sorted, each once.
pub fn ports(sets: &[&EndpointSet]) -> Vec<String> {
    let mut ranges = BTreeSet::new();
    for set in sets {
        for (protocol, ports) in [("tcp", &set.tcp_ports), ("udp", &set.udp_ports)] {
            ranges.extend(
                ports
                    .ranges()
                    .iter()
                    .map(|range| (protocol, *range.start(), *range.end())),
            );
        }
    }
    let text = |(protocol, first, last)| match first == last {
        true => format!("{protocol} {first}"),
        false => format!("{protocol} {first}-{last}"),
    };
    ranges.into_iter().map(text).collect()
}

/// One a line.
pub fn lines<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items
        .into_iter()
        .map(|item| item.to_string() + "\n")
        .collect()
}

#[cfg(test)]
mod tests;
