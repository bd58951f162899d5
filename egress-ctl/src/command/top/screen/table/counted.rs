//! What the kernel counts, whole.

use super::{Row, Table, Value, group, history};
use crate::{
    command::top::screen::{
        glyphs::Tone,
        grid::{
            Cell, Column, Kind,
            Kind::{Number, Spark, Words},
        },
        units::{bytes, number},
    },
    explain::words::printable,
    feed::traffic::Origin,
    live::{Measured, Picture, picture::Packets},
};

const fn column(title: &'static str, kind: Kind, rank: u8) -> Column {
    Column { title, kind, rank }
}

const GROUPS: &[Column] = &[
    column("group", Words(8), 0),
    column("allowed/s", Number, 2),
    column("bytes/s", Number, 3),
    column("denied/s", Number, 1),
    column("would/s", Number, 4),
    column("replies/s", Number, 6),
    column("history", Spark(8), 5),
];

pub(super) fn groups(picture: &Picture) -> Table {
    let rows = picture.groups.iter().map(|of| {
        let name = group(of.group.as_deref());
        let Packets {
            allowed,
            would_drop,
            denied,
            replies,
        } = &of.packets;
        let cells = vec![
            Cell::text(&name),
            Cell::text(number(allowed.rate.packets)),
            Cell::text(bytes(allowed.rate.bytes)),
            Cell::loud(number(denied.rate.packets), Tone::Warn),
            Cell::loud(number(would_drop.rate.packets), Tone::Warn),
            Cell::text(number(replies.rate.packets)),
            Cell::Spark(all_packets(&of.packets)),
        ];
        let values = vec![
            Value::Number(denied.rate.packets + would_drop.rate.packets + allowed.rate.packets),
            Value::Number(denied.rate.packets + would_drop.rate.packets),
            Value::Number(allowed.rate.bytes),
            Value::Text(name),
        ];
        Row::new(cells, values)
    });
    Table {
        columns: GROUPS,
        orders: &["packets", "denied", "bytes", "name"],
        rows: rows.collect(),
        empty: "no client has sent anything yet".to_owned(),
    }
}

/// What clients sent, over time.
fn all_packets(packets: &Packets) -> Vec<f64> {
    let Packets {
        allowed,
        would_drop,
        denied,
        replies: _,
    } = packets;
    let sum: Measured = [allowed, would_drop, denied].into_iter().cloned().sum();
    history(&sum)
}

const SETS: &[Column] = &[
    column("endpoint set", Words(8), 0),
    column("packets/s", Number, 1),
    column("bytes/s", Number, 2),
    column("replies/s", Number, 4),
    column("reply bytes/s", Number, 5),
    column("history", Spark(8), 3),
];

pub(super) fn sets(picture: &Picture) -> Table {
    let rows = picture.sets.iter().map(|of| {
        let (sent, replies) = (&of.sent, &of.replies);
        let cells = vec![
            Cell::text(printable(&of.set)),
            Cell::text(number(sent.rate.packets)),
            Cell::text(bytes(sent.rate.bytes)),
            Cell::text(number(replies.rate.packets)),
            Cell::text(bytes(replies.rate.bytes)),
            Cell::Spark(history(sent)),
        ];
        let values = vec![
            Value::Number(sent.rate.packets),
            Value::Number(sent.rate.bytes + replies.rate.bytes),
            Value::Number(sent.packets as f64),
            Value::text(&of.set),
        ];
        Row::new(cells, values)
    });
    Table {
        columns: SETS,
        orders: &["packets", "bytes", "total", "name"],
        rows: rows.collect(),
        empty: "no endpoint set was used yet".to_owned(),
    }
}

const DESTINATIONS: &[Column] = &[
    column("destination", Words(12), 0),
    column("set", Words(6), 3),
    column("group", Words(6), 4),
    column("packets/s", Number, 1),
    column("bytes/s", Number, 2),
    column("history", Spark(8), 5),
];

pub(super) fn destinations(picture: &Picture) -> Table {
    let rows = picture.destinations.iter().map(|of| {
        let name = match &of.destination {
            Origin::Set => "(all of the set)".to_owned(),
            Origin::Prefix(what) | Origin::Name(what) => printable(what),
        };
        let measured = &of.measured;
        let cells = vec![
            Cell::text(&name),
            Cell::text(printable(&of.set)),
            Cell::text(group(of.group.as_deref())),
            Cell::text(number(measured.rate.packets)),
            Cell::text(bytes(measured.rate.bytes)),
            Cell::Spark(history(measured)),
        ];
        let values = vec![
            Value::Number(measured.rate.packets),
            Value::Number(measured.rate.bytes),
            Value::Number(measured.packets as f64),
            Value::Text(name),
        ];
        Row::new(cells, values)
    });
    Table {
        columns: DESTINATIONS,
        orders: &["packets", "bytes", "total", "name"],
        rows: rows.collect(),
        empty: "no packet was allowed yet".to_owned(),
    }
}

const REASONS: &[Column] = &[
    column("reason", Words(10), 0),
    column("verdict", Words(5), 2),
    column("group", Words(6), 4),
    column("packets/s", Number, 1),
    column("bytes/s", Number, 6),
    column("total", Number, 3),
    column("history", Spark(8), 5),
];

pub(super) fn reasons(picture: &Picture) -> Table {
    let rows = picture.reasons.iter().map(|of| {
        let passes = of.action == "allow";
        let tone = match passes {
            true => Tone::Plain,
            false => Tone::Warn,
        };
        let measured = &of.measured;
        let cells = vec![
            Cell::text(of.reason),
            Cell::text(of.action),
            Cell::text(group(of.group.as_deref())),
            Cell::loud(number(measured.rate.packets), tone),
            Cell::text(bytes(measured.rate.bytes)),
            Cell::text(number(measured.packets as f64)),
            Cell::Spark(history(measured)),
        ];
        let values = vec![
            Value::Number(measured.rate.packets + if passes { 0.0 } else { 1e12 }),
            Value::Number(measured.rate.packets),
            Value::Number(measured.packets as f64),
            Value::text(of.reason),
        ];
        Row::new(cells, values)
    });
    Table {
        columns: REASONS,
        orders: &["denied first", "packets", "total", "name"],
        rows: rows.collect(),
        empty: "no packet was judged yet".to_owned(),
    }
}
