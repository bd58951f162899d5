//! The flat table of destinations, built.
//!
//! In: prefixes and what each says. Out: pages as [`egress_common::flat`] reads them.

#[cfg(test)]
mod tests;

use egress_common::{
    flat::{
        Node, PAGE_ENTRIES, PAGE_WORDS, Page, Pages, ROOT_BITS_V4, ROOT_BITS_V6, ROOT_PAGES,
        ROOT_V6, STRIDES, leading, saying,
    },
    limits,
    rule::Destination,
};
use ipnet::IpNet;

/// Prefixes that need more room than a table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the flat table of destinations would take more than {max} MiB: write `lookup = \"trie\"` under [gateway]",
    max = limits::DESTINATION_PAGES as usize * size_of::<Page>() >> 20
)]
pub struct TooLarge;

/// A table.
pub struct Table {
    pages: Vec<Box<Page>>,
    /// Words of the last page that are in use.
    used: u32,
}

impl Table {
    /// Builds a table; prefixes come in their order.
    ///
    /// # Errors
    /// They need too many pages.
    pub fn of<'a>(
        destinations: impl IntoIterator<Item = (&'a IpNet, &'a Destination)>,
    ) -> Result<Self, TooLarge> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (prefix, destination) in destinations {
            match prefix {
                IpNet::V4(_) => v4.push(Prefix::of(prefix, *destination)),
                IpNet::V6(_) => v6.push(Prefix::of(prefix, *destination)),
            }
        }
        let mut table = Self {
            pages: (0..ROOT_PAGES).map(|_| empty()).collect(),
            used: PAGE_WORDS,
        };
        table.root(0, &v4, ROOT_BITS_V4)?;
        table.root(ROOT_V6, &v6, ROOT_BITS_V6)?;
        Ok(table)
    }

    /// Its pages, by their numbers.
    pub fn pages(&self) -> &[Box<Page>] {
        &self.pages
    }

    /// Fills the pages that are indexed by the first bits of an address.
    fn root(&mut self, first_page: u32, prefixes: &[Prefix], bits: u32) -> Result<(), TooLarge> {
        let mut entries = vec![saying(Destination::default()); 1 << bits];
        self.spread(prefixes, 0, &mut entries)?;
        let pages = self.pages.iter_mut().skip(first_page as usize);
        for (page, entries) in pages.zip(entries.chunks(PAGE_ENTRIES)) {
            page.copy_from_slice(entries);
        }
        Ok(())
    }

    /// Writes what prefixes say into entries, one for each number that stands at this position of an address:
    /// longer prefixes over shorter ones, and nodes where there are prefixes that are longer still.
    fn spread(
        &mut self,
        prefixes: &[Prefix],
        position: u32,
        entries: &mut [u32],
    ) -> Result<(), TooLarge> {
        let stride = entries.len().ilog2();
        let end = position + stride;
        let mut rest = prefixes;
        while let Some((prefix, after)) = rest.split_first() {
            let place = prefix.number_at(position, stride);
            if prefix.len <= end {
                let covered = entries.iter_mut().skip(place);
                for entry in covered.take(1 << (end - prefix.len)) {
                    *entry = prefix.entry;
                }
                rest = after;
                continue;
            }
            // Shorter ones that cover this place stood before.
            let here = rest.partition_point(|other| other.number_at(position, stride) == place);
            let (below, after) = rest.split_at(here);
            if let Some(entry) = entries.get_mut(place) {
                *entry = self.below(below, end, *entry)?;
            }
            rest = after;
        }
        Ok(())
    }

    /// The entry for prefixes that have their first `depth` bits in common and are longer; `otherwise` is what
    /// a shorter one says.
    fn below(&mut self, prefixes: &[Prefix], depth: u32, otherwise: u32) -> Result<u32, TooLarge> {
        let (Some(first), Some(last)) = (prefixes.first(), prefixes.last()) else {
            return Ok(otherwise);
        };
        // In their order, one that covers all others is the first.
        let common = (first.bits ^ last.bits).leading_zeros().min(first.len);
        let longest = prefixes.iter().map(|prefix| prefix.len).max();
        let [fewest, most] = STRIDES;
        let stride = longest.map_or(0, |len| len - common).clamp(fewest, most);
        let is_in_second_half = depth >= HALF_BITS;
        let start = if is_in_second_half { HALF_BITS } else { 0 };
        let position = common.min(start + HALF_BITS - stride);

        let mut entries = [otherwise; 1 << STRIDES[1]];
        let entries = entries.split_at_mut(1 << stride).0;
        self.spread(prefixes, position, entries)?;
        if entries.iter().all(|entry| *entry == otherwise) {
            return Ok(otherwise);
        }
        let key = (first.bits << start >> HALF_BITS) as u64;
        let begins = stretches(entries).map(|(begin, _)| begin);
        let node = Node::new(key, position - start, stride, begins);
        let (page, at) = self.put(&node, otherwise, entries)?;
        Ok(leading(page, at, is_in_second_half))
    }

    /// Writes a node and its entries; tells page and place.
    fn put(
        &mut self,
        node: &Node,
        otherwise: u32,
        entries: &[u32],
    ) -> Result<(u32, u32), TooLarge> {
        let entries = [otherwise]
            .into_iter()
            .chain(stretches(entries).map(|(_, entry)| entry));
        let words = node.words().flat_map(in_entries);
        let written: Vec<u32> = words.chain(entries).collect();
        let len = written.len().div_ceil(2) as u32;
        if self.used + len > PAGE_WORDS {
            if self.pages.len() == limits::DESTINATION_PAGES as usize {
                return Err(TooLarge);
            }
            self.pages.push(empty());
            self.used = 0;
        }
        let at = self.used;
        self.used += len;
        let number = self.pages.len() as u32 - 1;
        if let Some(page) = self.pages.last_mut() {
            let places = page.iter_mut().skip(2 * at as usize);
            for (place, entry) in places.zip(written) {
                *place = entry;
            }
        }
        Ok((number, at))
    }
}

/// Bits of one key.
const HALF_BITS: u32 = u64::BITS;

/// A prefix, and the entry that says what it says.
struct Prefix {
    /// Address of IPv6, or of IPv4 in the first bits; zeros follow the prefix.
    bits: u128,
    len: u32,
    entry: u32,
}

impl Prefix {
    fn of(prefix: &IpNet, destination: Destination) -> Self {
        let bits = match prefix {
            IpNet::V4(v4) => u128::from(v4.network().to_bits()) << (u128::BITS - u32::BITS),
            IpNet::V6(v6) => v6.network().to_bits(),
        };
        Self {
            bits,
            len: u32::from(prefix.prefix_len()),
            entry: saying(destination),
        }
    }

    /// The number that `count` bits of it stand for, behind the first `position` ones.
    fn number_at(&self, position: u32, count: u32) -> usize {
        (self.bits << position >> (u128::BITS - count)) as usize
    }
}

/// Where stretches of equal entries begin, and the entry of each.
fn stretches(entries: &[u32]) -> impl Iterator<Item = (usize, u32)> {
    let mut before = None;
    let numbered = entries.iter().copied().enumerate();
    numbered.filter(move |(_, entry)| before.replace(*entry) != Some(*entry))
}

/// A word as two entries, as both lie in memory.
fn in_entries(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_ne_bytes();
    [[a, b, c, d], [e, f, g, h]].map(u32::from_ne_bytes)
}

fn empty() -> Box<Page> {
    Box::new([0; PAGE_ENTRIES])
}

impl<'a> Pages for &'a Table {
    type Page = &'a Page;

    fn page(&self, number: u32) -> Option<&'a Page> {
        self.pages.get(number as usize).map(Box::as_ref)
    }
}
