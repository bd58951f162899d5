//! Counters over time.
//!
//! In: what was counted, at moments of a clock that nobody sets. Out: packets and bytes a second, those between
//! the last two moments and those before.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    iter::{Sum, repeat_n},
    ops::{Add, AddAssign},
    time::Duration,
};

use egress_common::verdict::Counter;
use schemars::JsonSchema;
use serde::Serialize;

/// Packets and bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Rate {
    /// Packets a second.
    #[serde(rename = "packets_per_second")]
    pub packets: f64,
    /// Bytes of their frames a second.
    #[serde(rename = "bytes_per_second")]
    pub bytes: f64,
}

impl Rate {
    const ZERO: Self = Self {
        packets: 0.0,
        bytes: 0.0,
    };

    /// Between two states of a counter. One that went back is a new one: all of it came since.
    fn between(before: Counter, now: Counter, seconds: f64) -> Self {
        let before = match now.packets < before.packets {
            true => Counter::default(),
            false => before,
        };
        let a_second = |before: u64, now: u64| rounded(now.saturating_sub(before) as f64 / seconds);
        Self {
            packets: a_second(before.packets, now.packets),
            bytes: a_second(before.bytes, now.bytes),
        }
    }
}

/// To thousandths: nobody measures a rate more closely.
fn rounded(rate: f64) -> f64 {
    (rate * 1000.0).round() / 1000.0
}

impl Add for Rate {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: rounded(self.packets + other.packets),
            bytes: rounded(self.bytes + other.bytes),
        }
    }
}

/// What was counted of one thing, and how fast.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Measured {
    /// Packets since the maps were made.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// How fast they came between the last two looks.
    #[serde(flatten)]
    pub rate: Rate,
    /// The rates before, and this one, which is the last; empty where it was not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Rate>,
}

impl AddAssign for Measured {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.rate = self.rate + other.rate;
        // The newest of both belong together.
        let missing = other.history.len().saturating_sub(self.history.len());
        self.history.splice(..0, repeat_n(Rate::ZERO, missing));
        let newest = self.history.iter_mut().rev();
        for (sum, more) in newest.zip(other.history.into_iter().rev()) {
            *sum = *sum + more;
        }
    }
}

impl Sum for Measured {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// One counter over time. What did not move for as long as rates are kept takes no room.
#[derive(Clone, Debug, Default)]
struct Track {
    counted: Counter,
    /// The newest is the last; those before the first were zero.
    rates: VecDeque<Rate>,
}

impl Track {
    fn take(&mut self, now: Counter, seconds: f64, kept: usize) {
        self.rates
            .push_back(Rate::between(self.counted, now, seconds));
        self.counted = now;
        let over = self.rates.len().saturating_sub(kept);
        self.rates.drain(..over);
        while self.rates.front() == Some(&Rate::ZERO) {
            self.rates.pop_front();
        }
    }

    fn is_gone(&self) -> bool {
        self.counted.packets == 0 && self.rates.is_empty()
    }

    fn measured(&self, points: usize) -> Measured {
        let known = self.rates.len().min(points);
        let newest = self.rates.iter().skip(self.rates.len() - known);
        Measured {
            packets: self.counted.packets,
            bytes: self.counted.bytes,
            rate: self.rates.back().copied().unwrap_or_default(),
            history: repeat_n(Rate::ZERO, points - known)
                .chain(newest.copied())
                .collect(),
        }
    }
}

/// Counters of one kind, by what is counted.
#[derive(Clone, Debug)]
pub struct Tracks<K> {
    /// Rates that are kept of each.
    kept: usize,
    /// How many of them there are by now.
    known: usize,
    looked: Option<Duration>,
    tracks: BTreeMap<K, Track>,
}

impl<K: Clone + Ord> Tracks<K> {
    /// None yet, to keep so many rates of each.
    pub fn new(kept: usize) -> Self {
        Self {
            kept,
            known: 0,
            looked: None,
            tracks: BTreeMap::new(),
        }
    }

    /// Takes in what was counted at a moment; of what is not named nothing was. The first time there are no rates.
    pub fn take(&mut self, at: Duration, counted: impl IntoIterator<Item = (K, Counter)>) {
        let counted = sums(counted);
        let Some(before) = self.looked else {
            self.looked = Some(at);
            let begun = counted.into_iter().map(|(key, counted)| {
                let rates = VecDeque::new();
                (key, Track { counted, rates })
            });
            return self.tracks.extend(begun);
        };
        let seconds = at.saturating_sub(before).as_secs_f64();
        if seconds == 0.0 {
            return;
        }
        self.looked = Some(at);
        let known: BTreeSet<_> = self.tracks.keys().chain(counted.keys()).cloned().collect();
        for key in known {
            let now = counted.get(&key).copied().unwrap_or_default();
            let track = self.tracks.entry(key).or_default();
            track.take(now, seconds, self.kept);
        }
        self.tracks.retain(|_, track| !track.is_gone());
        self.known = self.kept.min(self.known + 1);
    }

    /// All of them, with their last rates: so many, or as many as there are.
    pub fn measured(&self, points: usize) -> impl Iterator<Item = (&K, Measured)> {
        let points = points.min(self.known);
        let tracks = self.tracks.iter();
        tracks.map(move |(key, track)| (key, track.measured(points)))
    }
}

fn sums<K: Ord>(counted: impl IntoIterator<Item = (K, Counter)>) -> BTreeMap<K, Counter> {
    let mut sums: BTreeMap<K, Counter> = BTreeMap::new();
    for (key, counter) in counted {
        let sum = sums.entry(key).or_default();
        sum.packets += counter.packets;
        sum.bytes += counter.bytes;
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counter(packets: u64) -> Counter {
        Counter {
            packets,
            bytes: packets * 100,
        }
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Rates of packets, the newest last.
    fn rates(tracks: &Tracks<&str>, key: &str) -> Vec<f64> {
        let mut measured = tracks.measured(usize::MAX);
        let found = measured.find(|(of, _)| **of == key);
        let history = found.map(|(_, measured)| measured.history);
        let rates = history.unwrap_or_default().into_iter();
        rates.map(|rate| rate.packets).collect()
    }

    #[test]
    fn rates_are_what_came_over_the_time_that_passed() {
        let mut tracks = Tracks::new(3);
        type Case<'a> = (u64, &'a [(&'a str, u64)], &'a [f64], &'a [f64]);
        // Second, counters, rates of the first and of the second.
        let table: [Case<'_>; 7] = [
            (10, &[("a", 1000)], &[], &[]),
            (11, &[("a", 1010)], &[10.0], &[]),
            (13, &[("a", 1010), ("b", 4)], &[10.0, 0.0], &[0.0, 2.0]),
            (
                14,
                &[("a", 1013), ("b", 4)],
                &[10.0, 0.0, 3.0],
                &[0.0, 2.0, 0.0],
            ),
            // The maps are new.
            (15, &[("a", 5)], &[0.0, 3.0, 5.0], &[2.0, 0.0, 0.0]),
            (16, &[("a", 5)], &[3.0, 5.0, 0.0], &[]),
            (16, &[("a", 9)], &[3.0, 5.0, 0.0], &[]),
        ];
        for (second, counted, of_a, of_b) in table {
            let counted = counted
                .iter()
                .map(|(key, packets)| (*key, counter(*packets)));
            tracks.take(seconds(second), counted);
            assert_eq!(rates(&tracks, "a"), of_a, "a at {second}");
            assert_eq!(rates(&tracks, "b"), of_b, "b at {second}");
        }
    }

    #[test]
    fn what_does_not_move_takes_no_room() {
        let mut tracks = Tracks::new(2);
        for second in 0..10 {
            let still = ("still", counter(7));
            let moved = (second == 1).then_some(("moved", counter(1)));
            tracks.take(seconds(second), [still].into_iter().chain(moved));
        }
        let kept = tracks.tracks.get("still").map(|track| track.rates.len());
        assert_eq!(kept, Some(0));
        assert_eq!(tracks.tracks.len(), 1, "what is gone is forgotten");
        assert_eq!(rates(&tracks, "still"), [0.0, 0.0]);
    }

    #[test]
    fn sums_are_aligned_at_their_newest() {
        let measured = |packets: &[u32]| Measured {
            packets: 10,
            bytes: 100,
            rate: Rate::default(),
            history: packets
                .iter()
                .map(|packets| Rate {
                    packets: f64::from(*packets),
                    bytes: 0.0,
                })
                .collect(),
        };
        let sum: Measured = [&[3][..], &[1, 2], &[]].map(measured).into_iter().sum();
        assert_eq!((sum.packets, sum.bytes), (30, 300));
        let history: Vec<_> = sum.history.iter().map(|rate| rate.packets).collect();
        assert_eq!(history, [1.0, 5.0]);
    }
}
