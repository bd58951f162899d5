//! Catalogues of a given size: how many prefixes in, a config that allows them, and destinations in and
//! beside them, out. Always the same ones for the same number.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Result, anyhow};
use egress_ctl::config::Config;
use fastrand::Rng;
use ipnet::{Ipv4Net, Ipv6Net};

/// First bytes of blocks that Microsoft's published prefixes stand in.
const BLOCKS_V4: [u8; 12] = [13, 20, 23, 40, 51, 52, 104, 131, 132, 150, 191, 204];
/// Where prefixes begin that do not touch.
const APART: Ipv4Addr = Ipv4Addr::new(20, 0, 0, 0);
const BLOCK_V6: u16 = 0x2603;
/// Of a thousand prefixes of IPv4, how many have which length; the shape of the published ones.
const LENGTHS_V4: [(u8, u32); 14] = [
    (14, 15),
    (16, 40),
    (17, 30),
    (18, 40),
    (19, 50),
    (20, 70),
    (21, 70),
    (22, 110),
    (23, 100),
    (24, 205),
    (26, 60),
    (28, 50),
    (31, 30),
    (32, 130),
];
const LENGTHS_V6: [(u8, u32); 6] = [
    (36, 50),
    (40, 150),
    (44, 100),
    (48, 500),
    (56, 100),
    (64, 100),
];
/// Endpoint sets that the prefixes are spread over.
const SETS: usize = 8;

/// Prefixes of a catalogue; of four, three are of IPv4.
pub(super) struct Catalogue {
    pub(super) v4: Vec<Ipv4Net>,
    pub(super) v6: Vec<Ipv6Net>,
}

impl Catalogue {
    /// So many prefixes, all different.
    pub(super) fn of(prefixes: usize) -> Self {
        let mut rng = Rng::with_seed(prefixes as u64);
        let of_v6 = prefixes / 4;
        Self {
            v4: different(prefixes - of_v6, || net_v4(&mut rng)),
            v6: different(of_v6, || net_v6(&mut rng)),
        }
    }

    /// So many prefixes of IPv4, no two of which touch: one in every 32 addresses.
    pub(super) fn apart(prefixes: usize) -> Self {
        let nets = (0..prefixes as u32).map(|i| {
            let address = Ipv4Addr::from_bits(APART.to_bits() + 32 * i);
            Ipv4Net::new_assert(address, 28)
        });
        Self {
            v4: nets.collect(),
            v6: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Every prefix as text, the same share of both families in any stretch.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts: Vec<String> = Vec::with_capacity(self.len());
        let mut v6 = self.v6.iter();
        for four in self.v4.chunks(3) {
            texts.extend(four.iter().map(ToString::to_string));
            texts.extend(v6.next().map(ToString::to_string));
        }
        texts.extend(v6.map(ToString::to_string));
        texts
    }

    /// A config that allows TCP port 443 of all, and of names below `bench.example`.
    pub(super) fn config(&self) -> Result<Config> {
        parse(&config_text(&self.texts(), &["*.bench.example".to_owned()]))
    }

    /// The same with one more line about the gateway.
    pub(super) fn config_with(&self, line: &str) -> Result<Config> {
        let text = config_text(&self.texts(), &["*.bench.example".to_owned()]);
        parse(&text.replacen("[gateway]\n", &format!("[gateway]\n{line}\n"), 1))
    }

    /// The same and one prefix more, which no other covers.
    pub(super) fn config_with_one_more(&self) -> Result<Config> {
        let mut texts = self.texts();
        texts.push("8.8.8.0/24".to_owned());
        parse(&config_text(&texts, &["*.bench.example".to_owned()]))
    }

    /// Addresses in the prefixes of IPv4, each in one that is drawn.
    pub(super) fn destinations_v4(&self, count: usize) -> Vec<Ipv4Addr> {
        let mut rng = Rng::with_seed(4);
        let drawn = (0..count).filter_map(|_| rng.choice(&self.v4).copied());
        let nets: Vec<_> = drawn.collect();
        nets.into_iter().map(|net| in_v4(net, &mut rng)).collect()
    }

    /// The same of IPv6.
    pub(super) fn destinations_v6(&self, count: usize) -> Vec<Ipv6Addr> {
        let mut rng = Rng::with_seed(6);
        let drawn = (0..count).filter_map(|_| rng.choice(&self.v6).copied());
        let nets: Vec<_> = drawn.collect();
        nets.into_iter().map(|net| in_v6(net, &mut rng)).collect()
    }

    /// Addresses of IPv4 in the same blocks that no prefix covers.
    pub(super) fn strangers_v4(&self, count: usize) -> Vec<Ipv4Addr> {
        let mut rng = Rng::with_seed(7);
        let draws = std::iter::repeat_with(|| draw_v4(&mut rng));
        let covered = |address: &Ipv4Addr| self.v4.iter().any(|net| net.contains(address));
        draws
            .filter(|address| !covered(address))
            .take(count)
            .collect()
    }
}

/// A config of these prefixes and names for one group of clients.
pub(super) fn config_text(prefixes: &[String], names: &[String]) -> String {
    let mut text = "[gateway]\nmode = \"enforce\"\nlan = [\"lo\"]\nresolvers = [\"gateway\"]\n\
                    [source.bench]\nkind = \"custom\"\n"
        .to_owned();
    for (id, set) in (1..).zip(prefixes.chunks(prefixes.len().div_ceil(SETS).max(1))) {
        text += &format!("[[source.bench.set]]\nid = {id}\nips = {set:?}\ntcpPorts = \"443\"\n");
    }
    if !names.is_empty() {
        text += &format!("[[source.bench.set]]\nid = 100\nurls = {names:?}\ntcpPorts = \"443\"\n");
    }
    text +=
        "[group.clients]\nclients = [\"10.20.0.0/16\", \"fd00:20::/64\"]\nallow = [\"bench\"]\n";
    text
}

/// Reads a config.
pub(super) fn parse(text: &str) -> Result<Config> {
    Config::parse(text).map_err(|problems| anyhow!("{problems:?}"))
}

/// The gateway, which answers DNS.
pub(super) fn own() -> [IpAddr; 1] {
    [IpAddr::V4(Ipv4Addr::new(10, 20, 0, 1))]
}

fn different<T: Ord + Copy>(count: usize, mut draw: impl FnMut() -> T) -> Vec<T> {
    let (mut known, mut drawn) = (BTreeSet::new(), Vec::new());
    while drawn.len() < count {
        let one = draw();
        if known.insert(one) {
            drawn.push(one);
        }
    }
    drawn
}

fn net_v4(rng: &mut Rng) -> Ipv4Net {
    let length = length(&LENGTHS_V4, rng);
    Ipv4Net::new_assert(draw_v4(rng), length).trunc()
}

fn net_v6(rng: &mut Rng) -> Ipv6Net {
    let length = length(&LENGTHS_V6, rng);
    let bits = u128::from(BLOCK_V6) << 112 | rng.u128(..) >> 16;
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length).trunc()
}

fn draw_v4(rng: &mut Rng) -> Ipv4Addr {
    let block = rng.choice(BLOCKS_V4).unwrap_or_default();
    Ipv4Addr::new(block, rng.u8(..), rng.u8(..), rng.u8(..))
}

/// A length, as often as the table says.
fn length(lengths: &[(u8, u32)], rng: &mut Rng) -> u8 {
    let all: u32 = lengths.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.u32(..all);
    for (length, weight) in lengths {
        match left.checked_sub(*weight) {
            Some(less) => left = less,
            None => return *length,
        }
    }
    0
}

fn in_v4(net: Ipv4Net, rng: &mut Rng) -> Ipv4Addr {
    Ipv4Addr::from_bits(net.addr().to_bits() | rng.u32(..) & net.hostmask().to_bits())
}

fn in_v6(net: Ipv6Net, rng: &mut Rng) -> Ipv6Addr {
    Ipv6Addr::from_bits(net.addr().to_bits() | rng.u128(..) & net.hostmask().to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catalogue_has_its_size_and_is_the_same_every_time() {
        for prefixes in [4, 500, 10_000] {
            let (one, other) = (Catalogue::of(prefixes), Catalogue::of(prefixes));
            assert_eq!((one.len(), one.v6.len()), (prefixes, prefixes / 4));
            assert_eq!(one.texts(), other.texts());
            assert_eq!(one.texts().len(), prefixes);
        }
    }

    #[test]
    fn prefixes_apart_cannot_be_merged() {
        let catalogue = Catalogue::apart(1000);
        assert_eq!(Ipv4Net::aggregate(&catalogue.v4), catalogue.v4);
        assert_eq!(catalogue.len(), 1000);
    }

    #[test]
    fn destinations_are_covered_and_strangers_are_not() {
        let catalogue = Catalogue::of(500);
        let covered = |address: &Ipv4Addr| catalogue.v4.iter().any(|net| net.contains(address));
        assert!(catalogue.destinations_v4(1000).iter().all(covered));
        assert!(!catalogue.strangers_v4(1000).iter().any(covered));
        let covered = |address: &Ipv6Addr| catalogue.v6.iter().any(|net| net.contains(address));
        assert!(catalogue.destinations_v6(1000).iter().all(covered));
    }

    #[test]
    fn the_config_allows_all() -> Result<()> {
        let catalogue = Catalogue::of(500);
        let prefixes = |config: Config| -> usize {
            let sets = config.catalogue.sets();
            sets.iter().map(|set| set.ips.len()).sum()
        };
        assert_eq!(prefixes(catalogue.config()?), 500);
        assert_eq!(prefixes(catalogue.config_with_one_more()?), 501);
        assert_eq!(prefixes(catalogue.config_with("internal = []")?), 500);
        assert!(catalogue.config_with("speed = \"high\"").is_err());
        Ok(())
    }
}
