//! What is in quarantine, and what still used it.

use jiff::{Timestamp, Zoned, civil::Date, tz::TimeZone};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    daemon::{self, Places},
    dataplane::maps::Pinned,
    feed::{
        edition::{Edition, Quarantined},
        piece::entries,
        reach::Reach,
        traffic::{Traffic, TrafficLog},
    },
    state::StateDir,
};

/// A part of a set that is no longer published.
#[derive(JsonSchema, Serialize)]
pub(super) struct Part {
    /// Its key.
    pub(super) set: String,
    pub(super) id: Option<u32>,
    pub(super) entries: Vec<String>,
    pub(super) ports: String,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    /// Since the day on which it came there.
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

/// What the counters and the files of the last days say.
pub(crate) struct Used {
    log: TrafficLog,
    counted: Vec<Traffic>,
}

impl Used {
    /// Reads them; without rights to the counters, what was written down.
    pub(crate) fn read(places: &Places) -> Self {
        let newest = StateDir(&places.state_dir).newest().ok().flatten();
        let pinned = Pinned(&places.pin_dir);
        let counted = newest.and_then(|snapshot| daemon::counted(pinned, &snapshot.ids).ok());
        Self {
            log: TrafficLog::of(&places.state_dir),
            counted: counted.unwrap_or_default(),
        }
    }

    /// What was used from a day on.
    pub(super) fn since(&self, day: Date) -> Vec<Traffic> {
        self.log.since(day, Zoned::now().date(), &self.counted)
    }
}

/// All parts, with their traffic.
pub(super) fn parts(edition: &Edition, used: &Used) -> Vec<Part> {
    let part = |part: &Quarantined| {
        let day = part.since.to_zoned(TimeZone::system()).date();
        let traffic = used.since(day).into_iter();
        let mine = traffic.filter(|one| one.set == part.set.key);
        let (packets, bytes) = mine.fold((0, 0), |(packets, bytes), one| {
            (packets + one.packets, bytes + one.bytes)
        });
        Part {
            set: part.set.key.clone(),
            id: part.set.id,
            entries: entries(&part.set).map(|entry| entry.to_string()).collect(),
            ports: Reach::of(&part.set).text(),
            since: part.since,
            until: part.until,
            packets,
            bytes,
        }
    };
    edition.quarantine.iter().map(part).collect()
}
