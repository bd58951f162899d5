//! The first lines: how the gateway is, what somebody should look at, and all packets together.

use std::time::Duration;

use jiff::{Timestamp, Zoned};
use ratatui::text::{Line, Span};

use super::{
    glyphs::{Glyphs, Tone},
    grid::{self, Cell, Column, Kind, wide},
    table::history,
    units::{bytes, number},
};
use crate::{
    dns::time::{ago, span},
    explain::words::printable,
    lever::deadline::countdown,
    live::{
        Measured, Picture,
        gateway::{Feed, Gateway, Room, Trial},
    },
};

/// A fact; where there is no room for all, those of the highest rank go first.
pub(super) struct Fact {
    text: String,
    tone: Tone,
    rank: u8,
}

pub(super) fn fact(text: impl Into<String>, tone: Tone, rank: u8) -> Fact {
    Fact {
        text: text.into(),
        tone,
        rank,
    }
}

/// Mode, generation, daemon and feeds, in one line.
pub(super) fn state(picture: &Picture, now: &Zoned, width: usize, glyphs: Glyphs) -> Line<'static> {
    let clock = now.strftime("%T").to_string();
    let mut facts = match &picture.gateway {
        None => vec![fact("egress: nothing seen yet", Tone::Bad, 0)],
        Some(gateway) => of_gateway(gateway, now.timestamp()),
    };
    facts.push(fact(clock, Tone::Faint, 9));
    row(facts, width, glyphs)
}

fn of_gateway(gateway: &Gateway, now: Timestamp) -> Vec<Fact> {
    let mode = match gateway.mode.as_str() {
        "enforce" => Tone::Good,
        _ => Tone::Warn,
    };
    let mut facts = vec![
        fact(printable(&gateway.mode), mode, 0),
        fact(
            format!(
                "generation {}, {}",
                gateway.generation,
                ago(gateway.loaded, now)
            ),
            Tone::Plain,
            3,
        ),
        match gateway.daemon {
            Some(_) => fact("daemon runs", Tone::Plain, 4),
            None => fact("NO DAEMON: what is attached goes on", Tone::Bad, 1),
        },
    ];
    facts.extend(gateway.feeds.iter().map(|feed| of_feed(feed, now)));
    facts
}

fn of_feed(feed: &Feed, now: Timestamp) -> Fact {
    let source = printable(&feed.source);
    if feed.refused {
        return fact(format!("{source} REFUSED"), Tone::Bad, 2);
    }
    if feed.waits {
        return fact(format!("{source} WAITS for approval"), Tone::Warn, 2);
    }
    if feed.failures > 0 {
        let failures = feed.failures;
        return fact(format!("{source} FAILED {failures} times"), Tone::Warn, 2);
    }
    let version = feed.version.as_deref().unwrap_or("built-in");
    let answered = feed
        .answered
        .map_or_else(|| "not asked yet".to_owned(), |then| ago(then, now));
    fact(
        format!("{source} {}, {answered}", printable(version)),
        Tone::Plain,
        5,
    )
}

/// Facts in one line; those that have no room are left out.
pub(super) fn row(mut facts: Vec<Fact>, width: usize, glyphs: Glyphs) -> Line<'static> {
    let gap = wide(glyphs.dot);
    let length = |facts: &[Fact]| {
        let texts: usize = facts.iter().map(|fact| wide(&fact.text)).sum();
        texts + gap * facts.len().saturating_sub(1)
    };
    while facts.len() > 1 && length(&facts) > width {
        let least = facts.iter().enumerate().max_by_key(|(_, fact)| fact.rank);
        let Some((least, _)) = least else { break };
        facts.remove(least);
    }
    let mut spans = Vec::new();
    for (place, fact) in facts.into_iter().enumerate() {
        if place > 0 {
            spans.push(Span::styled(glyphs.dot, glyphs.style(Tone::Faint)));
        }
        let text = grid::cut(&fact.text, width, glyphs);
        spans.push(Span::styled(text, glyphs.style(fact.tone)));
    }
    Line::from(spans)
}

/// What somebody should look at, the worst first.
pub(super) fn alarms(picture: &Picture, now: Timestamp) -> Vec<(String, Tone)> {
    let mut alarms = Vec::new();
    if let Some(fault) = &picture.fault {
        let since = ago(fault.since, now);
        alarms.push((
            format!(
                "NOTHING NEWER SEEN since {since}: {}",
                printable(&fault.why)
            ),
            Tone::Bad,
        ));
    }
    let Some(gateway) = &picture.gateway else {
        return alarms;
    };
    if let Some(bypass) = gateway.bypass {
        let until = match bypass.left {
            Some(left) => format!("ends in {}", countdown(Duration::from_secs(left))),
            None => "until `egress-ctl bypass off`".to_owned(),
        };
        alarms.push((format!("BYPASS ON: NOTHING IS DROPPED; {until}"), Tone::Bad));
    }
    match gateway.trial {
        Some(Trial::FellBack) => {
            alarms.push((
                "FELL BACK: nobody confirmed what was on trial".to_owned(),
                Tone::Bad,
            ));
        }
        Some(Trial::On { ends }) => {
            let left = ends.duration_since(now).as_secs();
            let left = span(u64::try_from(left).unwrap_or(0));
            let text = format!("ON TRIAL: `egress-ctl confirm` within {left}");
            alarms.push((text, Tone::Warn));
        }
        None => {}
    }
    for interface in gateway.interfaces.iter().filter(|one| !one.judges) {
        let name = printable(&interface.name);
        alarms.push((
            format!("{name} IS NOT JUDGED: see `egress-ctl status`"),
            Tone::Bad,
        ));
    }
    let nearly_full = |room: &Room| room.used * 10 >= room.limit * 9;
    for (what, room) in [
        ("learned addresses", gateway.learned),
        ("connections", gateway.connections),
    ] {
        if nearly_full(&room) {
            alarms.push((format!("nearly no room for {what} any more"), Tone::Warn));
        }
    }
    alarms
}

const TOTALS: &[Column] = &[
    Column {
        title: "packets",
        kind: Kind::Words(10),
        rank: 0,
    },
    Column {
        title: "a second",
        kind: Kind::Number,
        rank: 1,
    },
    Column {
        title: "bytes/s",
        kind: Kind::Number,
        rank: 3,
    },
    Column {
        title: "total",
        kind: Kind::Number,
        rank: 4,
    },
    Column {
        title: "history",
        kind: Kind::Spark(8),
        rank: 2,
    },
];

/// All packets together.
pub(super) fn totals(picture: &Picture, width: usize, glyphs: Glyphs) -> Vec<Line<'static>> {
    let total = &picture.total;
    let audits = picture
        .gateway
        .as_ref()
        .is_some_and(|gateway| gateway.mode != "enforce");
    let row = |name: &str, measured: &Measured, tone: Tone| {
        vec![
            Cell::text(name),
            Cell::loud(number(measured.rate.packets), tone),
            Cell::text(bytes(measured.rate.bytes)),
            Cell::text(number(measured.packets as f64)),
            Cell::Spark(history(measured)),
        ]
    };
    let mut rows = vec![
        row("allowed", &total.allowed, Tone::Plain),
        row("denied", &total.denied, Tone::Warn),
    ];
    if audits || total.would_drop.rate.packets > 0.0 {
        rows.push(row("would drop", &total.would_drop, Tone::Warn));
    }
    if total.replies.packets > 0 {
        rows.push(row("replies", &total.replies, Tone::Plain));
    }
    let rows: Vec<&[Cell]> = rows.iter().map(Vec::as_slice).collect();
    let (head, mut lines) = grid::lines(TOTALS, "packets", &rows, width, glyphs);
    lines.insert(0, head);
    lines
}

/// What was learned, and what DNS messages come to, in one line.
pub(super) fn learned(picture: &Picture, width: usize, glyphs: Glyphs) -> Option<Line<'static>> {
    let gateway = picture.gateway.as_ref()?;
    let room = |what: &str, room: Room| {
        let (used, limit) = (number(room.used as f64), number(room.limit as f64));
        format!("{what} {used} of {limit}")
    };
    let mut facts = vec![
        fact(room("learned", gateway.learned), Tone::Plain, 0),
        fact(room("connections", gateway.connections), Tone::Plain, 1),
    ];
    let moving = picture
        .dns
        .iter()
        .filter(|one| one.messages_per_second > 0.0);
    facts.extend(moving.zip(2..).map(|(one, rank)| {
        let text = format!("dns {} {}/s", one.outcome, number(one.messages_per_second));
        fact(text, Tone::Plain, rank)
    }));
    Some(row(facts, width, glyphs))
}
