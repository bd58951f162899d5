//! The names of an answer, and which of them its aliases lead to.
//!
//! In: the hash of each name, and which name is an alias of which. Out: small numbers for names, and
//! whether the question leads to one, over however many aliases, in whatever order they stood.
//!
//! Nothing is cleared between messages: what stands in a table counts only if it is the number of a name
//! of this message that belongs there.

use super::{hash::NameHash, message::HEADER_BYTES};
use crate::opaque::opaque;

/// Names of one message: the question's, and two of each alias, a record of at least 14 bytes.
const NAMES: usize = 584;
/// Aliases of one message.
const LINKS: usize = 292;
/// Lists of names by the low bits of their hash.
const BUCKETS: usize = 256;
/// Names of one list that are looked at: a message with so many that share these bits was made for it.
const CHAIN: usize = 16;
/// Offsets at which a name began, by their low bits.
const PLACES: usize = 256;
/// The number of no name, and of no link.
const NONE: u16 = 0xffff;
/// Instead of the name below: the question does not lead here, as far as is known.
const UNLINKED: u16 = 0xfffe;

/// A name.
#[repr(C)]
#[derive(Clone, Copy)]
struct Known {
    hash: u64,
    /// Where it was read first.
    at: u16,
    /// The next name of its list.
    next: u16,
    /// The first of the links that begin here.
    links: u16,
    /// Of a name that the question leads to: the next one of those whose links are to be followed.
    below: u16,
}

/// An alias: the name it is for, and the next one that begins at the same name.
#[repr(C)]
#[derive(Clone, Copy)]
struct Link {
    target: u16,
    next: u16,
}

/// The names of one message.
#[repr(C)]
pub(super) struct Names {
    known: [Known; NAMES],
    links: [Link; LINKS],
    buckets: [u16; BUCKETS],
    places: [u16; PLACES],
    len: u32,
    links_len: u32,
    /// The first of the names whose links are to be followed.
    top: u16,
    /// The link to be followed next.
    link: u16,
}

/// The question's name.
const QUESTION: u32 = 0;

impl Names {
    pub(super) const fn new() -> Self {
        Self {
            known: [Known {
                hash: 0,
                at: 0,
                next: NONE,
                links: NONE,
                below: NONE,
            }; NAMES],
            links: [Link {
                target: NONE,
                next: NONE,
            }; LINKS],
            buckets: [NONE; BUCKETS],
            places: [NONE; PLACES],
            len: 0,
            links_len: 0,
            top: NONE,
            link: NONE,
        }
    }

    /// Forgets all names but the question's.
    #[inline(always)]
    pub(super) fn begin(&mut self, hash: u64) {
        self.len = 0;
        self.links_len = 0;
        self.top = NONE;
        self.link = NONE;
        self.add(hash, HEADER_BYTES, NONE);
        self.mark(QUESTION);
    }

    /// The name that was read at an offset before.
    #[inline(always)]
    pub(super) fn read_at(&self, at: u32) -> Option<u32> {
        let number = u32::from(*self.places.get(at as usize % PLACES)?);
        let known = self.known(number)?;
        (u32::from(known.at) == at).then_some(number)
    }

    /// The number of the name with this hash, which was read at `at`. None where there are too many.
    #[inline(always)]
    pub(super) fn number(&mut self, hash: u64, at: u32) -> Option<u32> {
        let first = u32::from(*self.buckets.get(bucket(hash))?);
        // What no name of this list left there is of another message.
        let is_ours = self
            .known(first)
            .is_some_and(|known| bucket(known.hash) == bucket(hash));
        let first = if is_ours { first } else { u32::from(NONE) };
        let mut number = first;
        for _ in 0..CHAIN {
            let Some(known) = self.known(number) else {
                return self.add(hash, at, first as u16);
            };
            if known.hash == hash {
                return Some(number);
            }
            number = u32::from(known.next);
        }
        None
    }

    #[inline(always)]
    fn add(&mut self, hash: u64, at: u32, next: u16) -> Option<u32> {
        let number = self.len;
        *self.known.get_mut(opaque(u64::from(number)) as usize)? = Known {
            hash,
            at: at as u16,
            next,
            links: NONE,
            below: UNLINKED,
        };
        self.len = number + 1;
        if let Some(place) = self.buckets.get_mut(bucket(hash)) {
            *place = number as u16;
        }
        if let Some(place) = self.places.get_mut(at as usize % PLACES) {
            *place = number as u16;
        }
        Some(number)
    }

    /// Notes that `owner` is an alias of `target`. None where there are too many; else whether more may be
    /// linked now than was said before.
    #[inline(always)]
    pub(super) fn link(&mut self, owner: u32, target: u32) -> Option<bool> {
        let number = self.links_len;
        let first = self.known(owner)?.links;
        *self.links.get_mut(opaque(u64::from(number)) as usize)? = Link {
            target: target as u16,
            next: first,
        };
        self.links_len = number + 1;
        self.known_mut(owner)?.links = number as u16;
        if !self.is_linked(owner) {
            return Some(true);
        }
        let is_news = self.mark(target);
        let leads_on = self.known(target)?.links != NONE;
        Some(is_news && leads_on)
    }

    /// Whether it is the root, which has no label: of names whose hashes began with this seed.
    #[inline(always)]
    pub(super) fn is_root(&self, number: u32, seed: u64) -> bool {
        let root = NameHash::new(seed).finish();
        self.known(number).is_some_and(|known| known.hash == root)
    }

    /// Whether the question leads to a name; not before [`Names::follow`] is through, where links were
    /// not in order.
    #[inline(always)]
    pub(super) fn is_linked(&self, number: u32) -> bool {
        self.known(number)
            .is_some_and(|known| known.below != UNLINKED)
    }

    /// Follows one more link; false once there is none.
    #[inline(always)]
    pub(super) fn follow(&mut self) -> bool {
        let link = opaque(u64::from(self.link)) as usize;
        if let Some(Link { target, next }) = self.links.get(link).copied() {
            self.link = next;
            self.mark(u32::from(target));
            return true;
        }
        let Some(known) = self.known(u32::from(self.top)).copied() else {
            return false;
        };
        self.link = known.links;
        self.top = known.below;
        true
    }

    /// Notes that the question leads to a name; tells whether that is new.
    #[inline(always)]
    fn mark(&mut self, number: u32) -> bool {
        let top = self.top;
        match self.known_mut(number) {
            Some(known) if known.below == UNLINKED => {
                known.below = top;
                self.top = number as u16;
                true
            }
            _ => false,
        }
    }

    #[inline(always)]
    fn known(&self, number: u32) -> Option<&Known> {
        if number >= self.len {
            return None;
        }
        self.known.get(opaque(u64::from(number)) as usize)
    }

    #[inline(always)]
    fn known_mut(&mut self, number: u32) -> Option<&mut Known> {
        if number >= self.len {
            return None;
        }
        self.known.get_mut(opaque(u64::from(number)) as usize)
    }
}

#[inline(always)]
fn bucket(hash: u64) -> usize {
    hash as usize % BUCKETS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_late_if_more_is_linked_than_was_said_before() {
        let mut names = Names::new();
        names.begin(1);
        let [c, d, e] = [(2, 20), (3, 30), (4, 40)].map(|(hash, at)| {
            let number = names.number(hash, at);
            number.expect("room")
        });
        assert_eq!(names.link(QUESTION, c), Some(false), "in order");
        assert_eq!(names.link(d, e), Some(true), "nothing leads to its owner");
        assert_eq!(names.link(c, d), Some(true), "it leads on");
        assert_eq!(names.link(c, d), Some(false), "that was known");
        assert!(!names.is_linked(e));
        while names.follow() {}
        assert!(names.is_linked(e));
    }
}
