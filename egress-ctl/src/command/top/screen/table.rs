//! The tables: what their columns are, and what stands in their rows.

mod counted;
mod denied;

use std::cmp::Ordering;

use jiff::Timestamp;

use super::grid::{Cell, Column};
use crate::{
    command::top::{state::Order, view::View},
    live::{Measured, Picture},
};

/// A table, whatever it is of.
pub(super) struct Table {
    pub(super) columns: &'static [Column],
    /// What rows may be in the order of, the first by default.
    pub(super) orders: &'static [&'static str],
    pub(super) rows: Vec<Row>,
    /// What is said where there are no rows.
    pub(super) empty: String,
}

/// A row.
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// Its value in each order.
    values: Vec<Value>,
    /// What else there is to say of it, by topic.
    pub(super) more: Vec<(&'static str, String)>,
}

/// What rows are put in order by.
pub(super) enum Value {
    /// The highest first.
    Number(f64),
    /// From A to Z.
    Text(String),
}

impl Row {
    fn new(cells: Vec<Cell>, values: Vec<Value>) -> Self {
        Self {
            cells,
            values,
            more: Vec::new(),
        }
    }
}

impl Value {
    fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A time: the last first.
    fn time(time: Timestamp) -> Self {
        Self::Number(time.as_second() as f64)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => other.total_cmp(one),
            (Self::Text(one), Self::Text(other)) => one.cmp(other),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl Table {
    /// That of a view, its rows in order; the overview has none of its own.
    pub(super) fn of(view: View, picture: &Picture, order: Order) -> Option<Self> {
        let mut table = match view {
            View::Overview => return None,
            View::Groups => counted::groups(picture),
            View::Sets => counted::sets(picture),
            View::Drops => denied::destinations(picture),
            View::Clients => denied::clients(picture),
            View::Destinations => counted::destinations(picture),
            View::Reasons => counted::reasons(picture),
            View::Names => denied::names(picture),
        };
        table.sort(order);
        Some(table)
    }

    fn sort(&mut self, Order { place, is_reversed }: Order) {
        self.rows.sort_by(|one, other| {
            let (one, other) = (one.values.get(place), other.values.get(place));
            let ordering = match (one, other) {
                (Some(one), Some(other)) => one.cmp(other),
                _ => Ordering::Equal,
            };
            match is_reversed {
                true => ordering.reverse(),
                false => ordering,
            }
        });
    }
}

/// Packets a second, over time.
pub(super) fn history(measured: &Measured) -> Vec<f64> {
    measured.history.iter().map(|rate| rate.packets).collect()
}

/// A group's name, or what stands in its place.
fn group(name: Option<&str>) -> String {
    name.map_or_else(|| "(none)".to_owned(), crate::explain::words::printable)
}
