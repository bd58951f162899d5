//! Where among the places of a CPU something belongs.

use crate::flow::Addr;

/// A number of `BITS` bits for some words: neighbours get numbers far from each other. It keeps nobody from looking for
/// words with the same number, so nothing but speed may depend on it.
#[inline(always)]
pub(crate) fn spread<const WORDS: usize>(words: [u64; WORDS], bits: u32) -> u32 {
    /// 2^64 over the golden ratio.
    const RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

    let mut spread = 0_u64;
    for word in words {
        spread = spread.wrapping_mul(RATIO) ^ word;
    }
    // The words' last bytes, which are the first bits here, reach all bits of the product.
    spread ^= spread >> u32::BITS;
    (spread.wrapping_mul(RATIO) >> (u64::BITS - bits)) as u32
}

/// An address in two words, in whatever order its bytes are.
#[inline(always)]
pub(crate) fn wide(addr: &Addr) -> [u64; 2] {
    let [a, b, c, d] = addr.words().map(u64::from);
    [a | b << 32, c | d << 32]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of 1,024 addresses in 4,096 places some 120 share one with another where chance alone decides.
    #[test]
    fn addresses_share_places_no_more_than_by_chance() {
        type Hosts = fn(u32) -> u32;
        let table: [(&str, Hosts); 5] = [
            ("neighbours", |i| i),
            ("first hosts of networks", |i| i << 8 | 1),
            ("of large networks", |i| i << 16 | 1),
            ("even ones", |i| i * 2),
            ("a few of each network", |i| ((i / 4) << 8) | (i % 4)),
        ];
        for (what, host) in table {
            let place = |i| {
                let addr = Addr::v4((0x0d00_0000 + host(i)).to_be_bytes());
                spread(wide(&addr), 12)
            };
            let mut places: Vec<_> = (0..1024).map(place).collect();
            places.sort_unstable();
            places.dedup();
            assert!(places.len() > 800, "{what}: {}", places.len());
        }
    }
}
