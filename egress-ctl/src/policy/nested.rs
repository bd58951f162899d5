//! Union over everything that covers a key.
//!
//! In: keys that nest (prefixes of addresses, prefixes of reversed names), each with what it says
//! itself. Out: the same keys, each with the union over all keys that cover it, so that the longest
//! match alone knows everything.

use std::collections::BTreeMap;

/// A key that may cover others. In their order a key stands before every key that it covers, and
/// everything between them is covered by it too.
pub(super) trait Nests: Ord + Clone {
    /// Whether `self` covers `narrow`; a key covers itself.
    fn covers(&self, narrow: &Self) -> bool;
}

/// What keys say; a union is commutative and idempotent.
pub(super) trait Union: Clone {
    /// Adds what `wide` says.
    fn add(&mut self, wide: &Self);
}

/// Gives every key what all keys that cover it say.
pub(super) fn inherit<K: Nests, V: Union>(own: BTreeMap<K, V>) -> BTreeMap<K, V> {
    let mut covering: Vec<(K, V)> = Vec::new();
    let mut all = BTreeMap::new();
    for (key, mut value) in own {
        while covering.pop_if(|(wide, _)| !wide.covers(&key)).is_some() {}
        if let Some((_, wide)) = covering.last() {
            value.add(wide);
        }
        covering.push((key.clone(), value.clone()));
        all.insert(key, value);
    }
    all
}

impl Nests for ipnet::IpNet {
    fn covers(&self, narrow: &Self) -> bool {
        self.contains(narrow)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ipnet::{IpNet, Ipv4Net, Ipv6Net};
    use proptest::prelude::*;

    use super::*;

    impl Union for BTreeSet<usize> {
        fn add(&mut self, wide: &Self) {
            self.extend(wide);
        }
    }

    /// Prefixes of few bits, so that they nest and repeat.
    fn prefixes() -> impl Strategy<Value = Vec<IpNet>> {
        let v4 = (any::<u32>(), 0..=8u8)
            .prop_map(|(bits, len)| IpNet::V4(Ipv4Net::new(bits.into(), len).unwrap().trunc()));
        let v6 = (any::<u128>(), 0..=8u8)
            .prop_map(|(bits, len)| IpNet::V6(Ipv6Net::new(bits.into(), len).unwrap().trunc()));
        prop::collection::vec(prop_oneof![v4, v6], 0..60)
    }

    proptest! {
        #[test]
        fn every_prefix_gets_what_a_linear_scan_finds(prefixes in prefixes()) {
            let mut own: BTreeMap<IpNet, BTreeSet<usize>> = BTreeMap::new();
            for (i, prefix) in prefixes.iter().enumerate() {
                own.entry(*prefix).or_default().insert(i);
            }
            for (prefix, seen) in inherit(own) {
                let expected: BTreeSet<usize> = prefixes
                    .iter()
                    .enumerate()
                    .filter(|(_, wide)| wide.contains(&prefix))
                    .map(|(i, _)| i)
                    .collect();
                prop_assert_eq!(seen, expected, "{}", prefix);
            }
        }
    }
}
