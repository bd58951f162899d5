//! Editions that are made up, for tests and drills without real data: as large as real ones, with
//! what real ones have. An item of the list is a number, and so is its set: what is in an edition are
//! ranges of numbers.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use anyhow::Result;

use super::archive::Archive;
use super::edition::{Edition, Set};

/// The versions of [`archive`].
pub const VERSIONS: [&str; 3] = ["2020120200", "2026040500", "2026053100"];
const SETS: u32 = 60;
const AREAS: [&str; 4] = ["Common", "Exchange", "SharePoint", "Skype"];
const CATEGORIES: [&str; 3] = ["Optimize", "Allow", "Default"];
/// Prefixes of one set of a large edition.
const LARGE_SET: u32 = 1000;

/// Three editions whose steps are like real ones: from the first to the second half of the prefixes
/// go and some come, from the second to the third three urls go.
pub fn archive(instance: &str) -> Archive {
    let editions = [
        edition(0..164, 0..339),
        edition(80..173, 150..344),
        edition(80..173, 150..341),
    ];
    let mut archive = Archive::default();
    for (version, edition) in VERSIONS.into_iter().zip(editions) {
        let version = version.parse().expect("the table holds versions");
        archive.put(instance, version, edition);
    }
    archive
}

/// Three editions: the second loses and gains, the third gains more.
pub fn three_small_steps(instance: &str, versions: [&str; 3]) -> Result<Archive> {
    let editions = [
        edition(0..165, 150..344),
        edition(20..173, 150..344),
        edition(20..180, 150..350),
    ];
    let mut archive = Archive::default();
    for (version, edition) in versions.into_iter().zip(editions) {
        archive.put(instance, version.parse()?, edition);
    }
    Ok(archive)
}

/// An edition of items by number.
pub fn edition(ips: Range<u32>, urls: Range<u32>) -> Edition {
    let mut sets: Vec<Set> = (0..SETS).map(set).collect();
    for number in ips {
        sets[(number % SETS) as usize].ips.insert(prefix(number));
    }
    for number in urls {
        sets[(number % SETS) as usize].urls.insert(url(number));
    }
    share(&mut sets);
    let filled = sets
        .into_iter()
        .filter(|set| !set.ips.is_empty() || !set.urls.is_empty());
    Edition::of(filled).expect("each set has a number of its own")
}

/// An edition of so many prefixes.
pub fn large(prefixes: u32) -> Edition {
    let sets = (0..prefixes.div_ceil(LARGE_SET)).map(|number| {
        let first = number * LARGE_SET;
        let numbers = first..prefixes.min(first + LARGE_SET);
        Set {
            id: number + 1,
            ips: numbers.map(small_prefix).collect(),
            ..set(number % SETS)
        }
    });
    Edition::of(sets).expect("each set has a number of its own")
}

fn set(number: u32) -> Set {
    let pick = |of: &[&'static str]| of[number as usize % of.len()];
    let area = pick(&AREAS);
    let mut set = Set {
        tcp_ports: Some(
            if number.is_multiple_of(5) {
                "443"
            } else {
                "80,443"
            }
            .to_owned(),
        ),
        udp_ports: (area == "Skype").then(|| "3478-3481".to_owned()),
        express_route: number.is_multiple_of(3),
        category: pick(&CATEGORIES).to_owned(),
        required: number.is_multiple_of(2),
        notes: (number.is_multiple_of(7)).then(|| format!("What set {number} is for, in words")),
        ..Set::blank(number + 1)
    };
    set.belongs_to(area);
    set
}

/// Puts some prefixes into another set, with other ports, and a narrower one beside them.
fn share(sets: &mut [Set]) {
    let shared: Vec<String> = sets[3].ips.iter().take(2).cloned().collect();
    sets[4].ips.extend(shared);
    if let Some(wide) = sets[7].ips.iter().find(|ip| ip.ends_with("/24")).cloned() {
        sets[10].ips.insert(wide.replace(".0/24", ".64/26"));
    }
}

/// Every third one is an IPv4 prefix.
fn prefix(number: u32) -> String {
    if number.is_multiple_of(3) {
        let network = Ipv4Addr::from_bits((40 << 24 | 64 << 16) + (number << 8));
        format!("{network}/24")
    } else {
        let network = 0x2603_1000_u128 << 96 | u128::from(number) << 80;
        format!("{}/48", Ipv6Addr::from_bits(network))
    }
}

/// One of very many; every second one is an IPv4 prefix.
fn small_prefix(number: u32) -> String {
    if number.is_multiple_of(2) {
        format!("{}/28", Ipv4Addr::from_bits((40 << 24) + (number << 4)))
    } else {
        let network = 0x2603_1000_u128 << 96 | u128::from(number) << 64;
        format!("{}/64", Ipv6Addr::from_bits(network))
    }
}

fn url(number: u32) -> String {
    match number % 8 {
        0 => format!("*.zone{number}.office.example"),
        1 => format!("*cdn{number}.office.example"),
        _ => format!("host{number}.office.example"),
    }
}

#[cfg(test)]
mod tests {
    use ipnet::IpNet;

    use super::*;

    #[test]
    fn the_steps_are_like_real_ones() {
        let archive = archive("Worldwide");
        let shelf = archive.shelf("Worldwide").unwrap();
        let editions: Vec<_> = shelf
            .versions()
            .filter_map(|version| shelf.edition(version))
            .collect();
        let [a, b, c] = editions[..] else {
            panic!("{} editions", editions.len());
        };
        let (a, b, c) = (a.ips(), b.ips(), c.ips());
        assert!(
            a.difference(&b).count() * 5 > a.len(),
            "more than a fifth goes"
        );
        assert!(b.difference(&a).count() > 5, "some come");
        assert_eq!(b, c);
        let before = VERSIONS[1].parse().unwrap();
        let changes = shelf.changes(before, shelf.newest());
        let impacts: Vec<_> = changes
            .iter()
            .filter_map(|change| change.impact.as_deref())
            .collect();
        assert_eq!(impacts, ["RemovedIpOrUrl"; 3]);
    }

    #[test]
    fn all_prefixes_are_prefixes() {
        let (made, large) = (edition(0..400, 0..0), large(3001));
        assert_eq!(large.ips().len(), 3001);
        for ip in made.ips().into_iter().chain(large.ips()) {
            let net: IpNet = ip.parse().unwrap();
            assert_eq!(net.trunc(), net, "{ip}");
        }
    }
}
