//! The last packets that did not pass, numbered as they came.

use std::collections::VecDeque;

/// Numbered things, of which the last ones are kept.
#[derive(Debug)]
pub struct Ring<T> {
    kept: usize,
    next: u64,
    all: VecDeque<T>,
}

/// What came behind a number.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'a, T> {
    /// The oldest first, each with its number.
    pub all: Vec<(u64, &'a T)>,
    /// Those before them that are not kept.
    pub missed: u64,
    /// The number behind which more will come.
    pub next: u64,
}

impl<T> Ring<T> {
    /// An empty one, to keep so many.
    pub fn new(kept: usize) -> Self {
        Self {
            kept,
            next: 0,
            all: VecDeque::new(),
        }
    }

    /// Takes one in.
    pub fn push(&mut self, one: T) {
        self.all.push_back(one);
        self.next += 1;
        let over = self.all.len().saturating_sub(self.kept);
        self.all.drain(..over);
    }

    /// Those behind a number that are wanted: of more than `most` the last ones.
    pub fn since(&self, after: u64, most: usize, wanted: impl Fn(&T) -> bool) -> News<'_, T> {
        let oldest = self.next - self.all.len() as u64;
        let numbered = (oldest..).zip(&self.all);
        let new = numbered.filter(|(number, one)| *number >= after && wanted(one));
        let mut all: Vec<_> = new.collect();
        let over = all.len().saturating_sub(most);
        all.drain(..over);
        News {
            all,
            missed: oldest.saturating_sub(after) + over as u64,
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_number_is_told_once_and_what_is_gone_is_counted() {
        let mut ring = Ring::new(4);
        for one in 0..6_u32 {
            ring.push(one);
        }
        // After, at most; what is told, what is missed.
        let table: [(u64, usize, &[u32], u64); 6] = [
            (0, 10, &[2, 3, 4, 5], 2),
            (2, 10, &[2, 3, 4, 5], 0),
            (5, 10, &[5], 0),
            (6, 10, &[], 0),
            (99, 10, &[], 0),
            (0, 3, &[3, 4, 5], 3),
        ];
        for (after, most, told, missed) in table {
            let news = ring.since(after, most, |_| true);
            let all: Vec<_> = news.all.iter().map(|(_, one)| **one).collect();
            assert_eq!(
                (all.as_slice(), news.missed, news.next),
                (told, missed, 6),
                "{after}"
            );
        }
        let even = ring.since(0, 10, |one| one % 2 == 0).all;
        assert_eq!(even, [(2, &2), (4, &4)]);
    }
}
