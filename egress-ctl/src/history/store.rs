//! The newest lines, so many and no more.
//!
//! In: lines as they come. Out: those behind a place, for as many readers as there are.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;

use super::record::{Gap, HISTORY, Head, Line, Record, Why};

/// Lines, numbered from 1.
#[derive(Debug)]
pub struct Store {
    bound: usize,
    began: Timestamp,
    lines: VecDeque<(Timestamp, Arc<str>)>,
    /// Number of the next line.
    next: u64,
}

impl Store {
    /// Holds `bound` lines at most, one at least.
    pub fn new(bound: usize) -> Self {
        Self {
            bound: bound.max(1),
            began: Timestamp::now(),
            lines: VecDeque::new(),
            next: 1,
        }
    }

    /// Takes an event in.
    pub fn event(&mut self, record: Record) {
        let number = Some(self.next);
        let time = record.time;
        self.push(time, &Line::Event(Box::new(Record { number, ..record })));
    }

    /// Takes in that events are missing.
    pub fn gap(&mut self, gap: Gap) {
        let number = Some(self.next);
        let time = gap.time;
        self.push(time, &Line::Gap(Gap { number, ..gap }));
    }

    fn push(&mut self, time: Timestamp, line: &Line) {
        // What is made of texts, numbers and times is always JSON.
        let Ok(text) = serde_json::to_string(line) else {
            return;
        };
        if self.lines.len() == self.bound {
            self.lines.pop_front();
        }
        self.lines.push_back((time, text.into()));
        self.next += 1;
    }

    /// What is held.
    pub fn head(&self, reader: Option<u64>) -> Head {
        Head {
            schema: HISTORY.name.to_owned(),
            held: self.lines.len(),
            bound: self.bound,
            oldest: self.lines.front().map(|(time, _)| *time),
            began: self.began,
            gone: self.first() - 1,
            next: self.next,
            reader,
        }
    }

    /// Number of the first line of the newest `lines`.
    pub fn newest(&self, lines: usize) -> u64 {
        self.next - lines.min(self.lines.len()) as u64
    }

    /// Number of the first line that is held, or to come.
    fn first(&self) -> u64 {
        self.next - self.lines.len() as u64
    }

    /// At most so many lines from a number on, and the number behind them. Where the first of them are gone,
    /// a gap stands in their place.
    pub fn from(&self, number: u64, most: usize) -> (Vec<Arc<str>>, u64) {
        let missed = self.first().saturating_sub(number);
        let number = number.max(self.first());
        let skip = usize::try_from(number - self.first()).unwrap_or(usize::MAX);
        let lines = self.lines.iter().skip(skip).take(most);
        let mut texts: Vec<_> = lines.map(|(_, text)| Arc::clone(text)).collect();
        let behind = number + texts.len() as u64;
        if missed > 0 {
            let gap = Line::Gap(Gap::new(Why::Overrun, missed));
            let text = serde_json::to_string(&gap).unwrap_or_default();
            texts.insert(0, text.into());
        }
        (texts, behind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(bound: usize, lines: u64) -> Store {
        let mut store = Store::new(bound);
        for count in 1..=lines {
            store.gap(Gap::new(Why::Lost, count));
        }
        store
    }

    /// Count and number of each line; of those that are no history's, the number is 0.
    fn counts(lines: &[Arc<str>]) -> Vec<(u64, u64)> {
        let gap = |text: &Arc<str>| match serde_json::from_str(text).unwrap() {
            Line::Gap(gap) => (gap.count, gap.number.unwrap_or(0)),
            other => panic!("{other:?}"),
        };
        lines.iter().map(gap).collect()
    }

    #[test]
    fn the_newest_are_held_and_the_oldest_is_told() {
        let store = filled(3, 5);
        let head = store.head(None);
        assert_eq!((head.held, head.bound, head.gone, head.next), (3, 3, 2, 6));
        assert!(head.oldest.is_some());
        let (lines, next) = store.from(store.newest(2), 10);
        assert_eq!((counts(&lines), next), (vec![(4, 4), (5, 5)], 6));
        assert_eq!(store.newest(100), 3);
        assert_eq!(filled(3, 0).head(None).oldest, None);
    }

    #[test]
    fn a_reader_goes_on_where_it_was_and_is_told_what_it_missed() {
        let mut store = filled(3, 2);
        let (lines, next) = store.from(1, 1);
        assert_eq!((counts(&lines), next), (vec![(1, 1)], 2));
        let (lines, next) = store.from(next, 10);
        assert_eq!((counts(&lines), next), (vec![(2, 2)], 3));
        assert_eq!(store.from(next, 10), (Vec::new(), 3));
        for count in 3..=9 {
            store.gap(Gap::new(Why::Lost, count));
        }
        let (lines, next) = store.from(next, 2);
        assert_eq!(counts(&lines), [(4, 0), (7, 7), (8, 8)]);
        assert_eq!(next, 9);
    }
}
