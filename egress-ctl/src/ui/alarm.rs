//! What an administrator has to see before anything else.
//!
//! In: how the gateway is. Out: sentences, the worst first.

use schemars::JsonSchema;
use serde::Serialize;

use crate::live::{
    gateway::{Feed, Gateway, Room},
    picture::Fault,
};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Somebody must do something now.
    Bad,
    /// Somebody should look.
    Warn,
}

/// A sentence.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Alarm {
    /// How bad it is.
    pub level: Level,
    /// Whether it is told in large letters.
    pub loud: bool,
    /// What it is about: the same as long as it is the same alarm.
    pub kind: String,
    /// The sentence.
    pub text: String,
    /// All that it speaks for, where that is more.
    pub more: Vec<String>,
}

impl Alarm {
    fn new(level: Level, kind: &str, text: String) -> Self {
        Self {
            level,
            loud: false,
            kind: kind.to_owned(),
            text,
            more: Vec::new(),
        }
    }
}

/// What was moved by hand, in words: title and the rest.
#[derive(Clone, Debug, Default)]
pub struct Levers {
    /// The emergency lever.
    pub bypass: Option<String>,
    /// A config on trial, or one that fell back.
    pub trial: Option<(&'static str, String)>,
}

/// All that there are.
pub fn alarms(gateway: Option<&Gateway>, fault: Option<&Fault>, levers: Levers) -> Vec<Alarm> {
    let Levers { bypass, trial } = levers;
    let bypass = bypass.map(|told| Alarm {
        loud: true,
        ..Alarm::new(Level::Bad, "bypass", format!("BYPASS is {told}"))
    });
    let trial = trial.map(|(title, told)| {
        let is_over = title == "FELL BACK";
        let level = if is_over { Level::Bad } else { Level::Warn };
        Alarm {
            loud: true,
            ..Alarm::new(level, title, format!("{title}: {told}"))
        }
    });
    let fault = fault.map(|Fault { since, why }| {
        let text = format!("nothing newer can be seen since {since:.0}: {why}");
        Alarm::new(Level::Bad, "fault", text)
    });
    let of_gateway = gateway.into_iter().flat_map(of_gateway);
    let all = bypass.into_iter().chain(trial).chain(fault);
    let mut all: Vec<_> = all.chain(of_gateway).collect();
    all.sort_by_key(|alarm| alarm.level);
    all
}

fn of_gateway(gateway: &Gateway) -> Vec<Alarm> {
    let mut all = Vec::new();
    let mut say = |level, kind: &str, text: String| all.push(Alarm::new(level, kind, text));
    if gateway.mode == "off" {
        let text = "mode off: no packet is judged".to_owned();
        say(Level::Bad, "mode", text);
    }
    if gateway.daemon.is_none() {
        let text = "the daemon does not run: what is attached goes on, and nothing new is taken over; `systemctl start egress`";
        say(Level::Bad, "daemon", text.to_owned());
    }
    for interface in &gateway.interfaces {
        let name = &interface.name;
        if !interface.judges {
            let text = format!(
                "{name} is NOT FILTERED: no program judges its packets; `egress-ctl doctor` says why"
            );
            say(Level::Bad, &format!("judge {name}"), text);
        } else if !interface.learns {
            let text = format!(
                "DNS answers that leave by {name} teach nothing; `egress-ctl doctor` says why"
            );
            say(Level::Warn, &format!("learn {name}"), text);
        }
    }
    for (what, room) in [
        ("learned addresses", gateway.learned),
        ("connections to learned addresses", gateway.connections),
    ] {
        if let Some(level) = fullness(room) {
            let Room { used, limit } = room;
            let text = format!(
                "{what}: {used} of {limit}; when it is full, those longest unused make room"
            );
            say(level, what, text);
        }
    }
    for feed in &gateway.feeds {
        if let Some((level, text)) = of_feed(feed) {
            say(level, &format!("feed {}", feed.source), text);
        }
    }
    all.extend(of_warnings(&gateway.warnings));
    all
}

/// Warnings are many, or small: the first one speaks for all.
fn of_warnings(warnings: &[String]) -> Option<Alarm> {
    let text = match warnings {
        [] => return None,
        [one] => one.clone(),
        several => format!("{} warnings", several.len()),
    };
    let more = match warnings.len() {
        1 => Vec::new(),
        _ => warnings.to_vec(),
    };
    let alarm = Alarm::new(Level::Warn, &warnings.concat(), text);
    Some(Alarm { more, ..alarm })
}

/// How bad it is that a map is as full as it is.
fn fullness(Room { used, limit }: Room) -> Option<Level> {
    match (used.saturating_mul(100)).checked_div(limit)? {
        90.. => Some(Level::Bad),
        75.. => Some(Level::Warn),
        _ => None,
    }
}

fn of_feed(feed: &Feed) -> Option<(Level, String)> {
    let source = &feed.source;
    let told = |what: &str| format!("feed {source}: {what}");
    if feed.refused {
        let text = told("its last answer is REFUSED, and what was approved before stays");
        return Some((Level::Bad, text));
    }
    if feed.failures > 0 {
        let times = feed.failures;
        let text = told(&format!(
            "no answer {times} times in a row, and what is approved stays"
        ));
        return Some((Level::Warn, text));
    }
    feed.waits
        .then(|| (Level::Warn, told("a change waits for approval")))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::live::gateway::{Daemon, Interface};

    fn gateway() -> Gateway {
        let room = Room {
            used: 1,
            limit: 100,
        };
        Gateway {
            mode: "enforce".to_owned(),
            generation: 1,
            loaded: Timestamp::UNIX_EPOCH,
            bypass: None,
            trial: None,
            daemon: Some(Daemon {
                cpu_seconds: 0.0,
                memory_bytes: 1,
                started: 1.0,
            }),
            interfaces: vec![interface(true, true)],
            learned: room,
            connections: room,
            feeds: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn interface(judges: bool, learns: bool) -> Interface {
        Interface {
            name: "lan".to_owned(),
            judges,
            learns,
        }
    }

    fn feed(refused: bool, failures: u32, waits: bool) -> Feed {
        Feed {
            source: "m365".to_owned(),
            version: None,
            answered: None,
            failures,
            waits,
            refused,
            quarantined: 0,
        }
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_with_how_bad_it_is() {
        let full = |used| Room { used, limit: 100 };
        let with = |change: &dyn Fn(&mut Gateway)| {
            let mut gateway = gateway();
            change(&mut gateway);
            gateway
        };
        let table = [
            (with(&|_| ()), None),
            (
                with(&|g| g.mode = "off".to_owned()),
                Some((Level::Bad, "mode off")),
            ),
            (
                with(&|g| g.daemon = None),
                Some((Level::Bad, "does not run")),
            ),
            (
                with(&|g| g.interfaces = vec![interface(false, false)]),
                Some((Level::Bad, "lan is NOT FILTERED")),
            ),
            (
                with(&|g| g.interfaces = vec![interface(true, false)]),
                Some((Level::Warn, "teach nothing")),
            ),
            (with(&|g| g.learned = full(74)), None),
            (
                with(&|g| g.learned = full(75)),
                Some((Level::Warn, "75 of 100")),
            ),
            (
                with(&|g| g.connections = full(90)),
                Some((Level::Bad, "90 of 100")),
            ),
            (
                with(&|g| g.feeds = vec![feed(true, 3, true)]),
                Some((Level::Bad, "REFUSED")),
            ),
            (
                with(&|g| g.feeds = vec![feed(false, 3, true)]),
                Some((Level::Warn, "no answer 3 times")),
            ),
            (
                with(&|g| g.feeds = vec![feed(false, 0, true)]),
                Some((Level::Warn, "waits for approval")),
            ),
            (
                with(&|g| g.warnings = vec!["eth7 is not there".to_owned()]),
                Some((Level::Warn, "eth7 is not there")),
            ),
        ];
        for (gateway, expected) in table {
            let told = alarms(Some(&gateway), None, Levers::default());
            match (told.as_slice(), expected) {
                ([], None) => {}
                ([one], Some((level, part))) => {
                    assert!(one.level == level && one.text.contains(part), "{one:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_was_moved_by_hand_is_told_loudly_and_first() {
        let mut gateway = gateway();
        gateway.warnings = vec!["small".to_owned()];
        gateway.daemon = None;
        let levers = Levers {
            bypass: Some("ON: NOTHING IS DROPPED".to_owned()),
            trial: Some(("ON TRIAL", "mode enforce".to_owned())),
        };
        let told = alarms(Some(&gateway), None, levers);
        let kinds: Vec<_> = told
            .iter()
            .map(|one| (one.kind.as_str(), one.loud))
            .collect();
        let expected = [
            ("bypass", true),
            ("daemon", false),
            ("ON TRIAL", true),
            ("small", false),
        ];
        assert_eq!(kinds, expected);
        let fault = Fault {
            since: Timestamp::UNIX_EPOCH,
            why: "nothing is loaded".to_owned(),
        };
        let told = alarms(None, Some(&fault), Levers::default());
        assert_eq!(
            told[0].text,
            "nothing newer can be seen since 1970-01-01T00:00:00Z: nothing is loaded"
        );
    }
}
