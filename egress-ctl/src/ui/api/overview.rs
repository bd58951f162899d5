//! How the gateway is, and its rates over time.
//!
//! In: the time of the last point that a browser has. Out: the points since, and the rest as it is now.

use anyhow::Result;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::json;
use crate::{
    command::status::lever::{Bypass, Trial},
    daemon::Places,
    live::{
        gateway::Gateway,
        picture::{Fault, Group, OfReason, Packets, Picture, Set},
        track::Measured,
    },
    schema::Kind,
    ui::{
        alarm::{Alarm, Levers, alarms},
        query::Query,
        site::Site,
    },
};

/// Of what the page is told.
pub(super) const KIND: Kind =
    Kind::of::<Overview<'_>>("egress.ui-overview/1", "the page: GET /api/overview");

/// What is told.
#[derive(JsonSchema, Serialize)]
struct Overview<'a> {
    schema: &'static str,
    instance: String,
    host: String,
    /// Whether who has the token may decide.
    decides: bool,
    alarms: Vec<Alarm>,
    live: Now<'a>,
    /// When it was looked at, in ms since 1970; the points below are of these times.
    times: Vec<i64>,
    groups: Vec<OfGroup<'a>>,
    sets: Vec<OfSet<'a>>,
    reasons: Vec<Because<'a>>,
}

/// How it is now.
#[derive(JsonSchema, Serialize)]
struct Now<'a> {
    time: Option<Timestamp>,
    fault: Option<&'a Fault>,
    gateway: Option<&'a Gateway>,
    total: Totals,
    groups: Vec<GroupNow<'a>>,
    sets: Vec<SetNow<'a>>,
}

#[derive(JsonSchema, Serialize)]
struct Totals {
    allowed: Count,
    denied: Count,
    would_drop: Count,
    replies: Count,
}

#[derive(JsonSchema, Serialize)]
struct GroupNow<'a> {
    group: Option<&'a str>,
    #[serde(flatten)]
    totals: Totals,
}

#[derive(JsonSchema, Serialize)]
struct SetNow<'a> {
    set: &'a str,
    sent: Count,
    replies: Count,
}

#[derive(JsonSchema, Serialize)]
struct Count {
    packets: u64,
    bytes: u64,
    packets_per_second: f64,
}

/// Packets a second of a group, of no group where there is no name.
#[derive(JsonSchema, Serialize)]
struct OfGroup<'a> {
    group: Option<&'a str>,
    allowed: Vec<f64>,
    denied: Vec<f64>,
    would_drop: Vec<f64>,
}

#[derive(JsonSchema, Serialize)]
struct OfSet<'a> {
    set: &'a str,
    packets: Vec<f64>,
}

#[derive(JsonSchema, Serialize)]
struct Because<'a> {
    action: &'static str,
    reason: &'a str,
    packets: Vec<f64>,
}

pub(super) fn overview(site: &Site, query: &Query) -> Result<String> {
    let after: i64 = query.maybe("after")?.unwrap_or(i64::MIN);
    let (times, picture) = {
        let state = site.seen.state();
        let new = state.times.iter().copied().filter(|time| *time > after);
        let times: Vec<_> = new.collect();
        let picture = state.live.picture(times.len(), |_| false);
        (times, picture)
    };
    let gateway = picture.gateway.as_ref();
    json(&Overview {
        schema: KIND.name,
        instance: site.instance.to_string(),
        host: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        decides: site.token_file.is_some(),
        alarms: alarms(gateway, picture.fault.as_ref(), levers(&site.places)),
        times,
        groups: picture.groups.iter().filter_map(of_group).collect(),
        sets: picture.sets.iter().filter_map(of_set).collect(),
        reasons: reasons(&picture.reasons),
        live: now(&picture),
    })
}

/// What was moved by hand, as `status` tells it. What cannot be read is told by the rest.
fn levers(places: &Places) -> Levers {
    let trial = Trial::known(places);
    Levers {
        bypass: Bypass::now(places).ok().flatten().map(|on| on.to_string()),
        trial: trial.map(|trial| (trial.title(), trial.to_string())),
    }
}

fn now(picture: &Picture) -> Now<'_> {
    Now {
        time: picture.time,
        fault: picture.fault.as_ref(),
        gateway: picture.gateway.as_ref(),
        total: (&picture.total).into(),
        groups: picture
            .groups
            .iter()
            .map(|Group { group, packets }| GroupNow {
                group: group.as_deref(),
                totals: packets.into(),
            })
            .collect(),
        sets: picture
            .sets
            .iter()
            .map(|Set { set, sent, replies }| SetNow {
                set,
                sent: sent.into(),
                replies: replies.into(),
            })
            .collect(),
    }
}

impl From<&Packets> for Totals {
    fn from(packets: &Packets) -> Self {
        Self {
            allowed: (&packets.allowed).into(),
            denied: (&packets.denied).into(),
            would_drop: (&packets.would_drop).into(),
            replies: (&packets.replies).into(),
        }
    }
}

impl From<&Measured> for Count {
    fn from(measured: &Measured) -> Self {
        Self {
            packets: measured.packets,
            bytes: measured.bytes,
            packets_per_second: measured.rate.packets,
        }
    }
}

fn points(measured: &Measured) -> Vec<f64> {
    measured.history.iter().map(|rate| rate.packets).collect()
}

fn moves(points: &[f64]) -> bool {
    points.iter().any(|point| *point > 0.0)
}

/// Points of a group; none where nothing moved.
fn of_group(of: &Group) -> Option<OfGroup<'_>> {
    let Packets {
        allowed,
        denied,
        would_drop,
        ..
    } = &of.packets;
    let told = OfGroup {
        group: of.group.as_deref(),
        allowed: points(allowed),
        denied: points(denied),
        would_drop: points(would_drop),
    };
    let is_moving = [&told.allowed, &told.denied, &told.would_drop]
        .into_iter()
        .any(|points| moves(points));
    is_moving.then_some(told)
}

fn of_set(of: &Set) -> Option<OfSet<'_>> {
    let packets = points(&of.sent);
    moves(&packets).then_some(OfSet {
        set: &of.set,
        packets,
    })
}

/// Points by what was done with what was not allowed, and why; of all groups together.
fn reasons(all: &[OfReason]) -> Vec<Because<'_>> {
    let mut reasons: Vec<Because<'_>> = Vec::new();
    for of in all.iter().filter(|of| of.action != "allow") {
        let new = points(&of.measured);
        let known = reasons
            .iter_mut()
            .find(|one| (one.action, one.reason) == (of.action, of.reason));
        match known {
            Some(known) => {
                for (sum, more) in known.packets.iter_mut().zip(new) {
                    *sum += more;
                }
            }
            None => reasons.push(Because {
                action: of.action,
                reason: of.reason,
                packets: new,
            }),
        }
    }
    reasons.retain(|one| moves(&one.packets));
    reasons
}
