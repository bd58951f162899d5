//! What arrived of numbered datagrams: numbers in, those that are missing and those that leaked out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::datagram::Datagram;
use super::way::{Promise, Way};

const WAYS: usize = Way::ALL.len();

/// Everything that came so far.
#[derive(Debug, Default)]
pub struct Arrivals {
    ways: [Numbers; WAYS],
    /// Those that may not have come, since somebody looked.
    leaked: Vec<(Instant, Way)>,
}

#[derive(Debug, Default)]
struct Numbers {
    arrived: u64,
    /// The next one to come.
    next: u64,
    /// Those that were passed over, since when.
    missing: BTreeMap<u64, Instant>,
}

/// Datagrams that must have come and did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    pub way: Way,
    /// The first of them, and how many there are.
    pub first: u64,
    pub count: usize,
    /// When the first one that followed came.
    pub since: Instant,
}

impl Arrivals {
    /// Notes one.
    pub fn note(&mut self, datagram: Datagram, now: Instant) {
        if datagram.promise == Promise::Drops {
            self.leaked.push((now, datagram.way));
        }
        let (Some(number), Some(way)) = (datagram.number, self.ways.get_mut(datagram.way as usize))
        else {
            return;
        };
        if number >= way.next {
            way.missing
                .extend((way.next..number).map(|passed| (passed, now)));
            way.next = number + 1;
            way.arrived += 1;
        } else if way.missing.remove(&number).is_some() {
            way.arrived += 1;
        }
    }

    /// How many arrived that had to.
    pub fn arrived(&self) -> u64 {
        self.ways.iter().map(|way| way.arrived).sum()
    }

    /// What is missing for so long that it does not come any more; each is told once.
    pub fn missing(&mut self, patience: Duration, now: Instant) -> Vec<Missing> {
        let ways = self.ways.iter_mut().zip(Way::ALL);
        let told = ways.filter_map(|(numbers, way)| {
            let mut gone: Vec<(u64, Instant)> = Vec::new();
            numbers.missing.retain(|number, since| {
                let is_gone = now.duration_since(*since) >= patience;
                if is_gone {
                    gone.push((*number, *since));
                }
                !is_gone
            });
            let (first, since) = *gone.first()?;
            let count = gone.len();
            Some(Missing {
                way,
                first,
                count,
                since,
            })
        });
        told.collect()
    }

    /// What is missing behind the last one that came, where so many were sent of each way.
    pub fn cut_off(&mut self, sent: impl Fn(Way) -> u64, now: Instant) {
        for (numbers, way) in self.ways.iter_mut().zip(Way::ALL) {
            let behind = numbers.next..sent(way);
            numbers.missing.extend(behind.map(|number| (number, now)));
        }
    }

    /// What leaked since this was asked last.
    pub fn leaked(&mut self) -> Vec<(Instant, Way)> {
        std::mem::take(&mut self.leaked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(way: Way, number: u64) -> Datagram {
        Datagram {
            way,
            promise: way.promise(),
            number: Some(number),
        }
    }

    #[test]
    fn a_gap_is_missing_until_it_comes_late() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        for number in [0, 3, 1] {
            arrivals.note(datagram(Way::Learned, number), now);
        }
        assert_eq!(arrivals.arrived(), 3);
        assert!(arrivals.missing(Duration::from_secs(1), now).is_empty());
        let missing = arrivals.missing(Duration::ZERO, now);
        let expected = Missing {
            way: Way::Learned,
            first: 2,
            count: 1,
            since: now,
        };
        assert_eq!(missing, [expected]);
        assert!(
            arrivals.missing(Duration::ZERO, now).is_empty(),
            "told twice"
        );
        arrivals.cut_off(|way| if way == Way::Learned { 6 } else { 0 }, now);
        assert_eq!(arrivals.missing(Duration::ZERO, now)[0].count, 2);
    }

    #[test]
    fn a_denied_one_that_comes_is_a_leak() {
        let (mut arrivals, now) = (Arrivals::default(), Instant::now());
        arrivals.note(datagram(Way::WrongPort, 0), now);
        assert_eq!(arrivals.leaked(), [(now, Way::WrongPort)]);
        assert!(arrivals.leaked().is_empty());
    }
}
