//! Whether an edition can be what the service means.
//!
//! In: an edition, and what is approved. Out: nothing, or the [`Refusal`] of what must never reach
//! the kernel whatever the rules say.

use egress_common::pattern::NamePattern;
use ipnet::IpNet;

use super::{
    coverage::Coverage,
    piece::{Entry, Piece, pieces},
    refusal::Refusal,
};
use crate::catalogue::set::EndpointSet;

/// Shortest prefixes that are believed.
const SHORTEST_V4: u8 = 8;
const SHORTEST_V6: u8 = 19;

/// Ranges that no service of the internet has (IANA's registries of special-purpose addresses).
const RESERVED: [(&str, &str); 24] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by carriers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.0.0.0/24", "protocol assignments"),
    ("192.0.2.0/24", "documentation"),
    ("192.168.0.0/16", "private"),
    ("198.18.0.0/15", "benchmarks"),
    ("198.51.100.0/24", "documentation"),
    ("203.0.113.0/24", "documentation"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/8", "loopback, unspecified and embedded IPv4"),
    ("100::/64", "discard only"),
    ("2001::/23", "protocol assignments"),
    ("2001:db8::/32", "documentation"),
    ("2002::/16", "6to4"),
    ("3fff::/20", "documentation"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("fec0::/10", "site-local"),
    ("ff00::/8", "multicast"),
];

/// Checks the sets of an edition; `approved` is what they would replace, if anything.
///
/// # Errors
/// The first thing that cannot be meant.
pub fn check(
    sets: &[EndpointSet],
    approved: Option<&[EndpointSet]>,
    max_loss: u8,
) -> Result<(), Refusal> {
    let lists = |set: &EndpointSet| !set.ips.is_empty() || !set.urls.is_empty();
    if !sets.iter().any(lists) {
        return Err(Refusal::Empty { sets: sets.len() });
    }
    let reserved = reserved();
    for set in sets {
        for ip in &set.ips {
            prefix(crate::prefix::canonical(*ip), set, &reserved)?;
        }
        for url in &set.urls {
            name(url, set)?;
        }
    }
    match approved {
        Some(approved) => losses(sets, approved, max_loss),
        None => Ok(()),
    }
}

fn reserved() -> Vec<(IpNet, &'static str)> {
    let parsed = RESERVED.iter();
    parsed
        .filter_map(|(range, use_)| Some((range.parse().ok()?, *use_)))
        .collect()
}

fn prefix(
    prefix: IpNet,
    set: &EndpointSet,
    reserved: &[(IpNet, &'static str)],
) -> Result<(), Refusal> {
    let set = || set.local_key().to_owned();
    if prefix.prefix_len() == 0 {
        return Err(Refusal::Everything { prefix, set: set() });
    }
    let meets = |(range, _): &&(IpNet, _)| range.contains(&prefix) || prefix.contains(range);
    if let Some((range, use_)) = reserved.iter().find(meets) {
        return Err(Refusal::Reserved {
            prefix,
            set: set(),
            range: *range,
            use_,
        });
    }
    let shortest = match prefix {
        IpNet::V4(_) => SHORTEST_V4,
        IpNet::V6(_) => SHORTEST_V6,
    };
    if prefix.prefix_len() < shortest {
        return Err(Refusal::Broad {
            prefix,
            set: set(),
            shortest,
        });
    }
    Ok(())
}

fn name(pattern: &NamePattern, set: &EndpointSet) -> Result<(), Refusal> {
    let (name, set) = (pattern.to_string(), set.local_key().to_owned());
    let Some(domain) = domain(pattern) else {
        return Err(Refusal::Dotless { name, set });
    };
    let known = psl::suffix(domain.as_bytes()).filter(psl::Suffix::is_known);
    // Suffixes that companies list for their own customers are wildcards that Microsoft publishes.
    let icann = known.filter(|suffix| suffix.typ() == Some(psl::Type::Icann));
    let bare = icann.is_some_and(|suffix| suffix.as_bytes() == domain.as_bytes());
    if bare || !domain.contains('.') {
        let suffix = domain.to_owned();
        return Err(Refusal::PublicSuffix { name, set, suffix });
    }
    Ok(())
}

/// The domain below which all matching names lie; none of a name without a dot. In `*cdn.x.y` and
/// `a*b.x.y` the star stands for part of a label, so only what stands behind its dot counts.
fn domain(pattern: &NamePattern) -> Option<&str> {
    match pattern {
        NamePattern::Exact(name) => name.contains('.').then_some(name.as_str()),
        NamePattern::Tail(tail) | NamePattern::HeadTail { tail, .. } => {
            let (_, domain) = tail.split_once('.')?;
            Some(domain)
        }
    }
}

/// What is approved must mostly be there still, through whichever entries.
fn losses(sets: &[EndpointSet], approved: &[EndpointSet], limit: u8) -> Result<(), Refusal> {
    let coverage = Coverage::of(sets);
    let is_lost = |piece: &&Piece| coverage.lacks(piece).first() == Some(*piece);
    let approved = pieces(approved);
    let is_prefix = |piece: &&Piece| matches!(piece.entry, Entry::Prefix(_));
    let (prefixes, names): (Vec<_>, Vec<_>) = approved.iter().partition(is_prefix);
    for (what, all) in [("prefixes", prefixes), ("names", names)] {
        let lost = all.iter().filter(|piece| is_lost(piece)).count();
        if lost * 100 > all.len() * usize::from(limit) {
            return Err(Refusal::Loses {
                what,
                lost,
                of: all.len(),
                limit,
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::source::{
        builtin::{self, Builtin},
        format::Format,
    };

    fn sets(toml: &str) -> Vec<EndpointSet> {
        Format::Toml.read(toml, "m365").unwrap().sets
    }

    fn with(ip: &str, url: &str) -> Vec<EndpointSet> {
        let toml = format!(
            "[[set]]\nid=1\nips=['13.107.6.152/31', {ip:?}]\nurls=['a.b.c', {url:?}]\ntcpPorts='443'"
        );
        sets(&toml)
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        const GOOD: &str = "52.112.0.0/14";
        let table = [
            (GOOD, "*.office.com", "good"),
            ("52.0.0.0/8", "*.office.com", "good"),
            ("2620:1ec::/19", "*.office.com", "good"),
            ("0.0.0.0/0", "*.office.com", "everything"),
            ("::/0", "*.office.com", "everything"),
            ("::ffff:0:0/96", "*.office.com", "everything"),
            ("10.1.0.0/16", "*.office.com", "reserved"),
            ("100.64.0.0/16", "*.office.com", "reserved"),
            ("127.0.0.1/32", "*.office.com", "reserved"),
            ("169.254.169.254/32", "*.office.com", "reserved"),
            ("192.168.0.0/15", "*.office.com", "reserved"),
            ("224.0.0.251/32", "*.office.com", "reserved"),
            ("198.51.100.7/32", "*.office.com", "reserved"),
            ("::1/128", "*.office.com", "reserved"),
            ("fd00::/64", "*.office.com", "reserved"),
            ("fe80::1/128", "*.office.com", "reserved"),
            ("ff02::fb/128", "*.office.com", "reserved"),
            ("2001:db8::/32", "*.office.com", "reserved"),
            ("64:ff9b::/96", "*.office.com", "reserved"),
            ("::ffff:10.0.0.0/104", "*.office.com", "reserved"),
            ("52.0.0.0/7", "*.office.com", "broad"),
            ("2600::/12", "*.office.com", "broad"),
            (GOOD, "localhost", "dotless"),
            (GOOD, "*com", "dotless"),
            (GOOD, "com", "dotless"),
            (GOOD, "*.com", "public-suffix"),
            (GOOD, "*.co.uk", "public-suffix"),
            (GOOD, "co.uk", "public-suffix"),
            (GOOD, "*soft.com", "public-suffix"),
            (GOOD, "a.*.com", "public-suffix"),
            (GOOD, "a-*x.com", "public-suffix"),
            (GOOD, "*.blob.core.windows.net", "good"),
            (GOOD, "*.cloud.microsoft", "good"),
            (GOOD, "*cdn.onenote.net", "good"),
            (GOOD, "autodiscover.*.onmicrosoft.com", "good"),
        ];
        for (ip, url, expected) in table {
            let found = check(&with(ip, url), None, 20);
            let found = found.map_or_else(|refusal| refusal.name(), |()| "good");
            assert_eq!(found, expected, "{ip} {url}");
        }
    }

    #[test]
    fn the_built_in_data_is_believed() {
        let sets = builtin::sets(Builtin::M365Worldwide, "m365").unwrap();
        assert_eq!(check(&sets, Some(&sets), 0), Ok(()));
    }

    #[test]
    fn an_empty_answer_is_refused() {
        assert_eq!(check(&[], None, 100), Err(Refusal::Empty { sets: 0 }));
        let mut sets = with("52.112.0.0/14", "*.office.com");
        for set in &mut sets {
            set.ips.clear();
            set.urls.clear();
        }
        assert_eq!(check(&sets, None, 100), Err(Refusal::Empty { sets: 1 }));
    }

    #[test]
    fn losses_are_counted_by_what_is_reachable() {
        let old = "[[set]]\nid=1\nips=['52.0.0.0/16','52.1.0.0/16','52.2.0.0/16','52.3.0.0/16']\nurls=['a.b.c','d.e.f']\ntcpPorts='80,443'";
        let table = [
            (old.to_owned(), 0, "good"),
            (old.replace("'52.0.0.0/16',", ""), 25, "good"),
            (old.replace("'52.0.0.0/16',", ""), 24, "loses"),
            (
                old.replace("'52.0.0.0/16','52.1.0.0/16'", "'52.0.0.0/15'"),
                0,
                "good",
            ),
            (old.replace("'a.b.c'", "'*.b.c'"), 0, "good"),
            (old.replace("'a.b.c',", ""), 49, "loses"),
            (old.replace("80,443", "443"), 0, "good"),
            (old.replace("80,443", "22"), 99, "loses"),
        ];
        for (new, limit, expected) in table {
            let found = check(&sets(&new), Some(&sets(old)), limit);
            let found = found.map_or_else(|refusal| refusal.name(), |()| "good");
            assert_eq!(found, expected, "{limit} %: {new}");
        }
    }
}
