//! Families of samples, whatever form they are written in.

use std::{collections::BTreeMap, fmt};

/// Samples under one name.
#[derive(Clone, Debug)]
pub struct Family {
    /// The name, with the unit at its end and without what the kind adds.
    pub name: &'static str,
    /// What its samples are.
    pub kind: Kind,
    /// What they are counted in.
    pub unit: Option<Unit>,
    /// What they tell.
    pub help: &'static str,
    samples: BTreeMap<Labels, Value>,
}

/// Names and values of a sample's labels.
pub type Labels = Vec<(&'static str, String)>;

/// What samples are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises, until it begins anew.
    Counter,
    /// Rises and falls.
    Gauge,
    /// Is always 1, and tells something by its labels.
    Info,
}

/// What is counted, where that has a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
}

/// A number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// One that counts something.
    Whole(u64),
    /// One that measures something.
    Real(f64),
}

impl Kind {
    /// What it adds to the name of a sample.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Counter => "_total",
            Self::Gauge => "",
            Self::Info => "_info",
        }
    }
}

impl Unit {
    /// As names end with it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
        }
    }
}

impl Family {
    /// One without samples.
    pub fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name,
            kind,
            unit: None,
            help,
            samples: BTreeMap::new(),
        }
    }

    /// Counted in a unit.
    #[must_use]
    pub fn in_unit(self, unit: Unit) -> Self {
        let unit = Some(unit);
        Self { unit, ..self }
    }

    /// With one more sample. No two have the same labels: where names are the same, numbers are added.
    #[must_use]
    pub fn with(mut self, labels: Labels, value: impl Into<Value>) -> Self {
        let value = value.into();
        let known = self.samples.entry(labels);
        known
            .and_modify(|sum| *sum = sum.plus(value))
            .or_insert(value);
        self
    }

    /// With many more.
    #[must_use]
    pub fn with_all<V: Into<Value>>(self, samples: impl IntoIterator<Item = (Labels, V)>) -> Self {
        let samples = samples.into_iter();
        samples.fold(self, |family, (labels, value)| family.with(labels, value))
    }

    /// Its samples, in the order of their labels.
    pub fn samples(&self) -> impl Iterator<Item = (&Labels, Value)> {
        self.samples.iter().map(|(labels, value)| (labels, *value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

impl Value {
    fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Whole(one), Self::Whole(other)) => Self::Whole(one.saturating_add(other)),
            (one, other) => Self::Real(one.real() + other.real()),
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Real(number) => number,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Real(number) => number.fmt(f),
        }
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        // Not even a machine of 128 bits has so much to count.
        Self::Whole(u64::try_from(number).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Value {
    fn from(holds: bool) -> Self {
        Self::Whole(holds.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}
