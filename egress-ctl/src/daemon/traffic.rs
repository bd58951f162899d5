//! Writes down what used the endpoint sets, while the daemon runs.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
    time::Duration,
};

use egress_common::traffic::TrafficKey;
use ipnet::IpNet;
use jiff::Zoned;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

use super::Places;
use crate::{
    dataplane::{
        counters::{self, ReadError},
        maps::Pinned,
    },
    feed::traffic::{Origin, Traffic, TrafficLog},
    policy::ids::Ids,
};

const EVERY: Duration = Duration::from_secs(60);

pub(super) fn timer() -> Interval {
    let mut timer = interval(EVERY);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// Adds what was counted since the last time to today.
pub(super) fn record(places: &Places, ids: &Ids) {
    let counted = match counted(Pinned(&places.pin_dir), ids) {
        Ok(counted) => counted,
        Err(fault) => return warn!("traffic of the day: {fault}"),
    };
    let log = TrafficLog::of(&places.state_dir);
    if let Err(fault) = log.record(Zoned::now().date(), &counted) {
        warn!("traffic of the day: {fault}");
    }
}

/// What the kernel counted since its maps were made: by destination and group, and for sets of which no
/// destination is counted any more, as a whole.
///
/// # Errors
/// The counters cannot be read.
pub fn counted(pinned: Pinned<'_>, ids: &Ids) -> Result<Vec<Traffic>, ReadError> {
    let groups: HashMap<u16, &str> = ids
        .groups()
        .map(|(name, place)| (u16::from(place), name))
        .collect();
    let sets: HashMap<u16, &str> = ids.sets().map(|(key, id)| (id, key)).collect();
    let mut counted: Vec<_> = counters::traffic(pinned)?
        .into_iter()
        .filter_map(|(key, counter)| {
            Some(Traffic {
                what: origin(&key, ids),
                set: (*sets.get(&key.cause.set())?).to_owned(),
                group: groups
                    .get(&key.cause.group())
                    .map(|name| (*name).to_owned()),
                packets: counter.packets,
                bytes: counter.bytes,
            })
        })
        .collect();
    let known: HashSet<String> = counted.iter().map(|one| one.set.clone()).collect();
    let whole = counters::sets(pinned, ids.sets())?.into_iter();
    counted.extend(
        whole
            .filter(|(set, counted)| counted.sent.packets > 0 && !known.contains(*set))
            .map(|(set, counted)| Traffic {
                what: Origin::Set,
                set: set.to_owned(),
                group: None,
                packets: counted.sent.packets,
                bytes: counted.sent.bytes,
            }),
    );
    Ok(counted)
}

/// The pattern that taught the address, or else the address itself.
fn origin(key: &TrafficKey, ids: &Ids) -> Origin {
    match ids.pattern_named(key.cause.pattern()) {
        Some(pattern) => Origin::Name(pattern.to_owned()),
        None => Origin::Prefix(IpNet::from(IpAddr::from(key.dst)).to_string()),
    }
}
