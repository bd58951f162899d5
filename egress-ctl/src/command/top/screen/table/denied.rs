//! What events and DNS answers tell.

use jiff::Timestamp;

use super::{Row, Table, Value, group};
use crate::{
    command::top::screen::{
        glyphs::Tone,
        grid::{
            Cell, Column, Kind,
            Kind::{Number, Words},
        },
        units::number,
    },
    dns::time::span,
    explain::words::printable,
    live::{
        Picture,
        recent::{DeniedClient, DeniedDestination},
    },
};

const fn column(title: &'static str, kind: Kind, rank: u8) -> Column {
    Column { title, kind, rank }
}

/// Of destinations only single packets are known: their columns say so.
const DROPS: &[Column] = &[
    column("denied, sampled", Words(12), 0),
    column("service", Words(7), 2),
    column("reason", Words(10), 1),
    column("group", Words(6), 4),
    column("clients", Number, 5),
    column("seen", Number, 3),
    column("ago", Number, 6),
];

pub(super) fn destinations(picture: &Picture) -> Table {
    let rows = picture.recent.destinations.iter().map(|of| {
        let values = vec![
            Value::Number(of.events as f64),
            Value::time(of.last),
            Value::text(&of.reason),
            Value::text(&to(of)),
        ];
        Row {
            more: of_destination(of),
            ..Row::new(drop_cells(of, picture.time), values)
        }
    });
    Table {
        columns: DROPS,
        orders: &["seen", "last", "reason", "name"],
        rows: rows.collect(),
        empty: none(picture),
    }
}

fn drop_cells(of: &DeniedDestination, now: Option<Timestamp>) -> Vec<Cell> {
    vec![
        Cell::text(to(of)),
        Cell::text(&of.service),
        Cell::Text(printable(&of.reason), tone(of.action)),
        Cell::text(group(of.group.as_deref())),
        Cell::text(of.clients.len().to_string()),
        Cell::text(number(of.events as f64)),
        Cell::text(ago(of.last, now)),
    ]
}

/// Where to, by name if one is known.
fn to(of: &DeniedDestination) -> String {
    match (&of.name, of.destination) {
        (Some(name), _) => printable(name),
        (None, Some(destination)) => destination.to_string(),
        (None, None) => "(not parsed)".to_owned(),
    }
}

fn tone(action: &str) -> Tone {
    match action {
        "would-drop" => Tone::Plain,
        _ => Tone::Warn,
    }
}

fn of_destination(of: &DeniedDestination) -> Vec<(&'static str, String)> {
    let clients: Vec<_> = of.clients.iter().take(4).map(String::as_str).collect();
    let more = of.clients.len().saturating_sub(clients.len());
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let mut to = of.destination.map_or_else(String::new, |destination| {
        format!("{destination} {}", of.service)
    });
    if let Some(name) = &of.name {
        to = format!("{} at {to}", printable(name));
    }
    let why = match of.because {
        Some(because) => format!("{}: {because}", of.reason),
        None => printable(&of.reason),
    };
    let mut told = vec![
        (of.action, why),
        (
            "clients",
            printable(&format!("{}{more}", clients.join(", "))),
        ),
        ("to", to),
    ];
    let nearest = of.nearest.as_ref();
    told.extend(nearest.map(|nearest| ("nearest", printable(&nearest.to_string()))));
    told.extend(of.explain.clone().map(|command| ("explain", command)));
    told
}

/// How often a client was denied something, the kernel counts.
const CLIENTS: &[Column] = &[
    column("client denied", Words(10), 0),
    column("group", Words(6), 3),
    column("packets", Number, 1),
    column("would drop", Number, 4),
    column("most often for", Words(10), 2),
    column("connections", Number, 6),
    column("ago", Number, 5),
];

pub(super) fn clients(picture: &Picture) -> Table {
    let rows = picture.recent.clients.iter().map(|of| {
        let values = vec![
            Value::Number((of.denied + of.would_drop) as f64),
            Value::time(of.last),
            Value::Number(of.connections as f64),
            Value::text(&of.client),
        ];
        Row {
            more: of_client(of),
            ..Row::new(client_cells(of, picture.time), values)
        }
    });
    Table {
        columns: CLIENTS,
        orders: &["packets", "last", "connections", "address"],
        rows: rows.collect(),
        empty: none(picture),
    }
}

fn client_cells(of: &DeniedClient, now: Option<Timestamp>) -> Vec<Cell> {
    let most = of
        .reasons
        .first()
        .map_or("", |because| because.reason.as_str());
    vec![
        Cell::text(printable(&of.client)),
        Cell::text(group(of.group.as_deref())),
        Cell::loud(number(of.denied as f64), Tone::Warn),
        Cell::loud(number(of.would_drop as f64), Tone::Plain),
        Cell::text(printable(most)),
        Cell::text(number(of.connections as f64)),
        Cell::text(ago(of.last, now)),
    ]
}

fn of_client(of: &DeniedClient) -> Vec<(&'static str, String)> {
    let reasons = of.reasons.iter();
    let reasons: Vec<_> = reasons
        .map(|because| format!("{} {}", because.packets, because.reason))
        .collect();
    vec![
        ("client", printable(&of.client)),
        ("denied", printable(&reasons.join(", "))),
        (
            "tried",
            printable(&format!("egress-ctl dns unresolved --client {}", of.client)),
        ),
    ]
}

const NAMES: &[Column] = &[
    column("name answered", Words(14), 0),
    column("address", Words(12), 1),
    column("pattern", Words(8), 3),
    column("client", Words(8), 4),
    column("ago", Number, 2),
];

pub(super) fn names(picture: &Picture) -> Table {
    let rows = picture.names.iter().map(|of| {
        let pattern = of.pattern.as_deref();
        let client = of.client.map(|client| client.to_string());
        let cells = vec![
            Cell::text(printable(&of.name)),
            Cell::text(of.address.to_string()),
            match pattern {
                Some(pattern) => Cell::text(printable(pattern)),
                None => Cell::Text("not listed".to_owned(), Tone::Warn),
            },
            Cell::text(client.unwrap_or_default()),
            Cell::text(ago(of.last, picture.time)),
        ];
        let values = vec![Value::time(of.last), Value::text(&of.name)];
        Row::new(cells, values)
    });
    Table {
        columns: NAMES,
        orders: &["last", "name"],
        rows: rows.collect(),
        empty: "no answer gave an address yet, as far as is known".to_owned(),
    }
}

/// What is said where nothing was denied.
fn none(picture: &Picture) -> String {
    match &picture.recent.fault {
        Some(fault) => printable(fault),
        None => format!(
            "no event of a denied packet in the last {}",
            span(picture.recent.seconds.unsigned_abs())
        ),
    }
}

/// How long ago, as it was looked.
fn ago(then: Timestamp, now: Option<Timestamp>) -> String {
    let seconds = now.map_or(0, |now| now.duration_since(then).as_secs());
    span(u64::try_from(seconds).unwrap_or(0))
}
