//! Sets of ports as the web service and configurations write them.
//!
//! In: text such as `5061,50000-59999` or `143, 587`. Out: [`Ports`], sorted ranges that neither
//! overlap nor touch.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use thiserror::Error;

/// A set of TCP or UDP ports; the default is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ports {
    ranges: Vec<RangeInclusive<u16>>,
}

/// Why a text is no list of ports; each holds the item that is wrong.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PortsError {
    /// Nothing before, between or behind commas; holds the whole text.
    #[error("{0:?} has an empty item: write ports as in `80,443,50000-59999`")]
    EmptyItem(String),
    /// Something else than decimal digits.
    #[error("{0:?} is not a port number")]
    NotANumber(String),
    /// Port 0, which no packet may have.
    #[error("{0:?} holds port 0, the lowest port is 1")]
    Zero(String),
    /// More than 65535.
    #[error("{0:?} is over 65535, the highest port")]
    TooHigh(String),
    /// A range whose end lies before its start.
    #[error("{0:?} is reversed: write the lower port first")]
    Reversed(String),
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let items = text.split(',').map(|item| match item.trim() {
            "" => Err(PortsError::EmptyItem(text.to_owned())),
            item => range(item),
        });
        Ok(Self::from_ranges(items.collect::<Result<_, _>>()?))
    }
}

/// `p` or `p-p`.
fn range(item: &str) -> Result<RangeInclusive<u16>, PortsError> {
    let (first, last) = item.split_once('-').unwrap_or((item, item));
    let range = port(first.trim_end())?..=port(last.trim_start())?;
    if range.is_empty() {
        return Err(PortsError::Reversed(item.to_owned()));
    }
    Ok(range)
}

fn port(text: &str) -> Result<u16, PortsError> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(PortsError::NotANumber(text.to_owned()));
    }
    match text.parse() {
        Ok(0) => Err(PortsError::Zero(text.to_owned())),
        Ok(port) => Ok(port),
        // Only digits: the number is too large for u16.
        Err(_) => Err(PortsError::TooHigh(text.to_owned())),
    }
}

impl Ports {
    /// Sorts the ranges, and merges those that overlap or touch.
    fn from_ranges(mut ranges: Vec<RangeInclusive<u16>>) -> Self {
        ranges.sort_by_key(|range| *range.start());
        let mut merged: Vec<RangeInclusive<u16>> = Vec::with_capacity(ranges.len());
        for range in ranges {
            match merged.last_mut() {
                Some(last) if *range.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(range.end());
                }
                _ => merged.push(range),
            }
        }
        Self { ranges: merged }
    }

    /// All ports of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::from_ranges([self.ranges(), other.ranges()].concat())
    }

    /// The ports that `other` does not have.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = self.ranges.clone();
        for gone in &other.ranges {
            left = left.iter().flat_map(|range| cut(range, gone)).collect();
        }
        Self { ranges: left }
    }

    /// The ranges, ascending, with at least one port between two of them.
    pub fn ranges(&self) -> &[RangeInclusive<u16>] {
        &self.ranges
    }

    /// Every single port, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.ranges.iter().cloned().flatten()
    }

    /// Whether `port` is in the set.
    pub fn contains(&self, port: u16) -> bool {
        self.ranges.iter().any(|range| range.contains(&port))
    }

    /// Whether there is no port at all.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

/// What is left of a range before and behind another one.
fn cut(
    range: &RangeInclusive<u16>,
    gone: &RangeInclusive<u16>,
) -> impl Iterator<Item = RangeInclusive<u16>> {
    let before = gone
        .start()
        .checked_sub(1)
        .map(|end| (*range.start(), end.min(*range.end())));
    let behind = gone
        .end()
        .checked_add(1)
        .map(|start| (start.max(*range.start()), *range.end()));
    let parts = before.into_iter().chain(behind);
    parts
        .filter(|(first, last)| first <= last)
        .map(|(first, last)| first..=last)
}

/// The canonical text, `80,443,50000-59999`; nothing for the empty set.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.ranges.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            match (range.start(), range.end()) {
                (first, last) if first == last => write!(f, "{comma}{first}")?,
                (first, last) => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_print_canonically() {
        let table = [
            ("443", "443"),
            ("443,80", "80,443"),
            ("143, 587, 993, 995", "143,587,993,995"),
            (" 80 ,443 ", "80,443"),
            ("5061,50000-59999", "5061,50000-59999"),
            ("50000 - 59999", "50000-59999"),
            ("3478,3479,3480,3481", "3478-3481"),
            ("80,80", "80"),
            ("10-20,15-30,31,33", "10-31,33"),
            ("10-40,15-20", "10-40"),
            ("7-7", "7"),
            ("65535,1-65535", "1-65535"),
            ("65535,65534", "65534-65535"),
        ];
        for (text, expected) in table {
            assert_eq!(
                text.parse::<Ports>().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
    }

    type Reason = fn(String) -> PortsError;

    #[test]
    fn what_is_no_port_list_is_refused_with_its_text() {
        let table: [(&str, Reason, &str); 14] = [
            ("", PortsError::EmptyItem, ""),
            ("80,", PortsError::EmptyItem, "80,"),
            ("80, ,443", PortsError::EmptyItem, "80, ,443"),
            ("http", PortsError::NotANumber, "http"),
            ("80 443", PortsError::NotANumber, "80 443"),
            ("+80", PortsError::NotANumber, "+80"),
            ("80-", PortsError::NotANumber, ""),
            ("1-2-3", PortsError::NotANumber, "2-3"),
            ("٣", PortsError::NotANumber, "٣"),
            ("443,0", PortsError::Zero, "0"),
            ("0-5", PortsError::Zero, "0"),
            ("65536", PortsError::TooHigh, "65536"),
            (
                "1-99999999999999999999",
                PortsError::TooHigh,
                "99999999999999999999",
            ),
            ("443,9-8", PortsError::Reversed, "9-8"),
        ];
        for (text, reason, item) in table {
            assert_eq!(
                text.parse::<Ports>(),
                Err(reason(item.to_owned())),
                "{text}"
            );
        }
    }

    #[test]
    fn an_empty_set_holds_no_port() {
        assert!(Ports::default().is_empty());
        assert_eq!(Ports::default().to_string(), "");
        assert_eq!(Ports::default().iter().next(), None);
    }

    proptest! {
        /// Sums and differences hold the ports that they should, in canonical form.
        #[test]
        fn sets_add_and_subtract(ends in proptest::collection::vec((1u16..60, 0u16..9, any::<bool>()), 0..12)) {
            let of = |wanted: bool| {
                let mine = ends.iter().filter(|(_, _, which)| *which == wanted);
                Ports::from_ranges(mine.map(|(first, more, _)| *first..=first + more).collect())
            };
            let (one, other) = (of(true), of(false));
            for port in 1..80 {
                let (has, takes) = (one.contains(port), other.contains(port));
                prop_assert_eq!(one.union(&other).contains(port), has || takes);
                prop_assert_eq!(one.minus(&other).contains(port), has && !takes);
            }
            let left = one.minus(&other);
            prop_assert_eq!(Ports::from_ranges(left.ranges().to_vec()), left);
        }

        /// The set holds exactly the ports of the ranges as written, and its print reads back.
        #[test]
        fn printing_and_parsing_agree(ends in proptest::collection::vec((1u16.., 0u16..400), 1..8), probes in proptest::collection::vec(1u16.., 64)) {
            let written: Vec<_> = ends.iter().map(|(first, more)| *first..=first.saturating_add(*more)).collect();
            let text = written.iter().map(|r| format!("{}-{}", r.start(), r.end())).collect::<Vec<_>>().join(", ");
            let ports: Ports = text.parse().unwrap();

            prop_assert_eq!(&ports.to_string().parse::<Ports>().unwrap(), &ports);
            prop_assert!(ports.ranges().windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start()));
            let edges = written.iter().flat_map(|r| [*r.start(), *r.end(), r.start() - 1, r.end().saturating_add(1)]);
            for port in probes.into_iter().chain(edges) {
                prop_assert_eq!(ports.contains(port), written.iter().any(|r| r.contains(&port)), "{}", port);
            }
        }
    }
}
