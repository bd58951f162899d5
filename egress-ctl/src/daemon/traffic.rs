//! Writes down what used the endpoint sets, while the daemon runs.

use std::time::Duration;

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

/// What the kernel counted for each set since its maps were made.
///
/// # Errors
/// The counters cannot be read.
pub fn counted(pinned: Pinned<'_>, ids: &Ids) -> Result<Vec<Traffic>, ReadError> {
    let sets = counters::sets(pinned, ids.sets())?.into_iter();
    let traffic = sets.map(|(set, counter)| Traffic {
        what: Origin::Set,
        set: set.to_owned(),
        group: None,
        packets: counter.packets,
        bytes: counter.bytes,
    });
    Ok(traffic.collect())
}
