//! Destinations by longest prefix, in plain arrays.
//!
//! In: an address, and the pages of a table. Out: what the longest prefix that contains it says, in a few reads
//! and without any call.
//!
//! A table is made of pages of words. Its first pages are indexed by the first bits of an address: 16 of IPv4, 14
//! of IPv6. An entry there says what holds for all addresses that begin so, or leads to a node. A node stands where
//! the prefixes below it begin to differ, however far down that is, and tells addresses apart by their next 6 to 8
//! bits. It begins with what its prefixes have in common; an address that has not gets the node's first entry. The
//! other entries stand for stretches of equal addresses, and a bitmap says where each begins. So a node takes some
//! 50 bytes, lies in one page, and most addresses are known by one or two of them.
//!
//! IPv4 addresses are the first 32 bits of their key. Those of IPv6 have two keys of 64 bits, one after the other.

use crate::{flow::Addr, limits, opaque::opaque, rule::Destination};

/// Entries of a page.
pub const PAGE_ENTRIES: usize = 1 << PLACE_BITS;
/// Words of a page, each as long as two entries.
pub const PAGE_WORDS: u32 = PAGE_ENTRIES as u32 / 2;
const PLACE_BITS: u32 = 14;
const WORD_BITS: u32 = PLACE_BITS - 1;

/// A page, as it lies in an array.
pub type Page = [u32; PAGE_ENTRIES];

/// Bits of an IPv4 address that the first pages are indexed by.
pub const ROOT_BITS_V4: u32 = 16;
/// Bits of an IPv6 address that one more page is indexed by.
pub const ROOT_BITS_V6: u32 = PLACE_BITS;
/// The first page that is indexed by addresses of IPv6.
pub const ROOT_V6: u32 = 1 << (ROOT_BITS_V4 - PLACE_BITS);
/// Pages that are indexed by addresses; nodes stand behind them.
pub const ROOT_PAGES: u32 = ROOT_V6 + 1;

/// Fewest and most bits that a node tells addresses apart by.
pub const STRIDES: [u32; 2] = [6, 8];
/// Most nodes on the way to an address of IPv4.
const DEPTH_V4: u32 = 2;
/// Most nodes on the way to one of IPv6: 7 in its first half, 8 in the second.
const DEPTH_V6: u32 = 15;
/// The longest bitmap of a node, in words.
const BITMAP_WORDS: u32 = 1 << (STRIDES[1] - STRIDES[0]);

/// Marks an entry that leads to a node.
const NODE: u32 = 1 << 31;
/// Marks one whose node looks at the second half of the address.
const SECOND: u32 = 1 << 30;

const _: () = assert!(limits::RULESETS <= 1 << 16 && limits::DESTINATION_PAGES <= 1 << 16);
const _: () = assert!(WORD_BITS + limits::DESTINATION_PAGES.ilog2() <= SECOND.ilog2());
const _: () = assert!(limits::DESTINATION_PAGES.is_power_of_two());

/// The pages of one table.
pub trait Pages {
    /// How a page is read.
    type Page: Words;

    /// A page by its number, where there is one.
    fn page(&self, number: u32) -> Option<Self::Page>;
}

/// Reads a page; a place counts modulo the page's size.
pub trait Words {
    /// The word at a place, counted in words.
    fn word(&self, at: u32) -> u64;
    /// The entry at a place, counted in entries.
    fn entry(&self, at: u32) -> u32;
}

impl Words for &Page {
    fn word(&self, at: u32) -> u64 {
        let [a, b, c, d] = self.entry(2 * at).to_ne_bytes();
        let [e, f, g, h] = self.entry(2 * at + 1).to_ne_bytes();
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    }

    fn entry(&self, at: u32) -> u32 {
        self.get(at as usize % PAGE_ENTRIES).copied().unwrap_or(0)
    }
}

/// What the longest prefix says that contains an address.
#[inline(always)]
pub fn find<P: Pages + ?Sized>(pages: &P, addr: &Addr) -> Destination {
    // A page that is missing, and an entry that leads too deep, are no part of a whole table.
    match entry_of(pages, addr) {
        Some(entry) if entry & NODE == 0 => said(entry),
        _ => Destination::default(),
    }
}

#[inline(always)]
fn entry_of<P: Pages + ?Sized>(pages: &P, addr: &Addr) -> Option<u32> {
    if let Some(v4) = addr.v4_bits() {
        let place = v4 >> (u32::BITS - ROOT_BITS_V4);
        let entry = pages.page(place >> PLACE_BITS)?.entry(place);
        return followed::<P, DEPTH_V4>(pages, entry, [u64::from(v4) << 32; 2]);
    }
    let halves = addr.halves();
    let place = halves[0] >> (u64::BITS - ROOT_BITS_V6);
    let entry = pages.page(ROOT_V6)?.entry(place as u32);
    followed::<P, DEPTH_V6>(pages, entry, halves)
}

/// Where an entry leads to in the end, for an address with these keys.
#[inline(always)]
fn followed<P: Pages + ?Sized, const DEPTH: u32>(
    pages: &P,
    mut entry: u32,
    [mut key, second]: [u64; 2],
) -> Option<u32> {
    for _ in 0..DEPTH {
        if entry & NODE == 0 {
            break;
        }
        // Not a branch, see below.
        let stays = all_if_zero(u64::from(entry & SECOND));
        key = key & stays | second & !stays;
        let page = entry >> WORD_BITS & (limits::DESTINATION_PAGES - 1);
        entry = below(&pages.page(page)?, entry & (PAGE_WORDS - 1), key);
    }
    Some(entry)
}

/// Where the node at a place leads to. There is no branch in it, which the verifier would follow both ways.
#[inline(always)]
fn below<W: Words>(page: &W, at: u32, key: u64) -> u32 {
    let about = About(page.word(at + 1));
    let differs = (key ^ page.word(at)) & !(u64::MAX >> about.position());
    let is_below = all_if_zero(differs) as u32;
    let chosen = key << about.position() >> about.rest();
    let word = (chosen >> STRIDES[0]) as u32 & (BITMAP_WORDS - 1);
    let bit = chosen & ((1 << STRIDES[0]) - 1);
    let begun = page.word(at + Node::HEADER_WORDS + word) << (63 - bit);
    let stretch = about.begun_before(word) + begun.count_ones();
    page.entry(2 * at + about.entries() + (stretch & is_below))
}

/// All bits for 0, none for any other number.
#[inline(always)]
fn all_if_zero(number: u64) -> u64 {
    let negative = opaque(number.wrapping_neg());
    opaque(((number | negative) >> 63).wrapping_sub(1))
}

/// A node's second word: from its low bits on the position of the bits that it looks at, how many bits of a key
/// are not among these, where its entries begin, and for each word of the bitmap how many stretches begin before.
#[derive(Clone, Copy)]
struct About(u64);

impl About {
    const REST_AT: u32 = 8;
    const ENTRIES_AT: u32 = 16;
    const BEGUN_AT: u32 = 32;

    #[inline(always)]
    fn position(self) -> u32 {
        self.0 as u32 & 63
    }

    #[inline(always)]
    fn rest(self) -> u32 {
        (self.0 >> Self::REST_AT) as u32 & 63
    }

    #[inline(always)]
    fn entries(self) -> u32 {
        (self.0 >> Self::ENTRIES_AT) as u32 & 15
    }

    #[inline(always)]
    fn begun_before(self, word: u32) -> u32 {
        (self.0 >> (Self::BEGUN_AT + 8 * word)) as u32 & 0xff
    }
}

/// What an entry says that leads to no node.
#[inline(always)]
const fn said(entry: u32) -> Destination {
    Destination {
        ruleset: entry & 0xffff,
        marks: entry >> 16,
    }
}

/// An entry that says what a destination is.
pub const fn saying(destination: Destination) -> u32 {
    destination.ruleset & 0xffff | destination.marks << 16 & !(NODE | SECOND)
}

/// An entry that leads to the node at a place, in words, of a page.
pub const fn leading(page: u32, at: u32, is_in_second_half: bool) -> u32 {
    let half = if is_in_second_half { SECOND } else { 0 };
    NODE | half | page << WORD_BITS | at
}

/// A node without its entries, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    words: [u64; (Self::HEADER_WORDS + BITMAP_WORDS) as usize],
    len: u32,
}

impl Node {
    const HEADER_WORDS: u32 = 2;

    /// A node that looks at `stride` bits of a key behind the first `position` ones, in which `key` stands for all
    /// keys below it. Stretches begin at all numbers of `begins`; the first one is 0.
    pub fn new(
        key: u64,
        position: u32,
        stride: u32,
        begins: impl IntoIterator<Item = usize>,
    ) -> Self {
        let len = Self::HEADER_WORDS + (1 << (stride - STRIDES[0]));
        let mut bitmap = [0_u64; BITMAP_WORDS as usize];
        for begin in begins {
            if let Some(word) = bitmap.get_mut(begin >> STRIDES[0]) {
                *word |= 1 << (begin & 63);
            }
        }
        let mut about = u64::from(position)
            | u64::from(64 - stride) << About::REST_AT
            | u64::from(2 * len) << About::ENTRIES_AT;
        let mut begun = 0;
        for (i, word) in (0..).zip(bitmap) {
            about |= u64::from(begun) << (About::BEGUN_AT + 8 * i);
            begun += word.count_ones();
        }
        let [a, b, c, d] = bitmap;
        let common = key & !(u64::MAX >> position);
        Self {
            words: [common, about, a, b, c, d],
            len,
        }
    }

    /// Its words. Its entries follow them: the one for keys that are not below it, and those of its stretches.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.words.into_iter().take(self.len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::mark;

    /// One page for all numbers.
    struct Same([u64; 64]);

    impl Words for &Same {
        fn word(&self, at: u32) -> u64 {
            self.0[at as usize]
        }

        fn entry(&self, at: u32) -> u32 {
            (self.0[at as usize / 2] >> (32 * (at % 2))) as u32
        }
    }

    /// A node with entries 100 (not below it), 101, 102 and so on.
    fn page(node: &Node) -> Same {
        let mut words = [0; 64];
        let mut next = 0;
        for (i, word) in node.words().enumerate() {
            words[i] = word;
            next = i + 1;
        }
        for (i, word) in words[next..].iter_mut().enumerate() {
            let entry = 100 + 2 * i as u64;
            *word = entry | (entry + 1) << 32;
        }
        Same(words)
    }

    #[test]
    fn a_node_leads_to_the_stretch_of_a_key() {
        // Position, bits, where stretches begin, chosen bits, expected stretch.
        type Row = (u32, u32, &'static [usize], u64, u32);
        let table: &[Row] = &[
            (16, 8, &[0], 0, 1),
            (16, 8, &[0], 255, 1),
            (16, 8, &[0, 1, 255], 0, 1),
            (16, 8, &[0, 1, 255], 1, 2),
            (16, 8, &[0, 1, 255], 254, 2),
            (16, 8, &[0, 1, 255], 255, 3),
            (20, 6, &[0, 63], 62, 1),
            (20, 6, &[0, 63], 63, 2),
            (57, 7, &[0, 64, 65], 63, 1),
            (57, 7, &[0, 64, 65], 64, 2),
            (57, 7, &[0, 64, 65], 127, 3),
            (0, 8, &[0, 63, 64, 128, 192], 192, 5),
            (58, 6, &[0, 5], 5, 2),
        ];
        const KEY: u64 = 0xa5a5_5a5a_1234_5678;
        for (position, stride, begins, chosen, expected) in table {
            let node = Node::new(KEY, *position, *stride, begins.iter().copied());
            let page = &page(&node);
            let common = KEY & !(u64::MAX >> position);
            let key = common | chosen << (64 - position - stride);
            assert_eq!(below(&page, 0, key) - 100, *expected, "{position} {chosen}");
            if *position > 0 {
                let other = key ^ 1 << (64 - position);
                assert_eq!(below(&page, 0, other), 100, "{position} {chosen}");
            }
        }
    }

    #[test]
    fn every_stretch_of_the_largest_node_is_told_apart() {
        let node = Node::new(0, 8, 8, 0..256);
        let about = About(node.words[1]);
        for chosen in 0..256_u32 {
            let word = chosen >> 6;
            let begun = node.words[2 + word as usize] << (63 - (chosen & 63));
            assert_eq!(about.begun_before(word) + begun.count_ones(), chosen + 1);
        }
    }

    #[test]
    fn destinations_survive_an_entry() {
        for ruleset in [0, 1, limits::RULESETS - 1] {
            for marks in [0, mark::GATEWAY, mark::LISTED | mark::RESOLVER] {
                let destination = Destination { ruleset, marks };
                let entry = saying(destination);
                assert_eq!(entry & NODE, 0);
                assert_eq!(said(entry), destination);
            }
        }
    }
}
