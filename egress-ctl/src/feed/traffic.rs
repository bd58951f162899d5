//! What used the endpoint sets, by day.
//!
//! In: counters of the kernel, which grow for as long as its maps live. Out: totals of days in
//! `STATE/traffic/DAY.json`. Each file also holds the counters as they were seen last, so that
//! neither a restart counts twice nor a kill between two files.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use ipnet::IpNet;
use jiff::{Span, civil::Date};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::piece::Entry;
use crate::{
    durable::{self, FileError},
    policy::meet,
};

/// Days that are kept.
const DAYS: i64 = 14;

/// Why a packet belonged to a set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Through something in the set that is not counted apart.
    Set,
    /// Through a prefix.
    Prefix(String),
    /// Through an address that a pattern of names taught.
    Name(String),
}

/// Packets of one kind.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Traffic {
    /// Through what.
    pub what: Origin,
    /// Key of the endpoint set.
    pub set: String,
    /// The client group; none where groups are not counted apart.
    pub group: Option<String>,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Traffic {
    /// Whether it may have gone to one of these entries.
    pub fn concerns(&self, entries: &[Entry]) -> bool {
        entries.iter().any(|entry| match (&self.what, entry) {
            (Origin::Set, _) => true,
            (Origin::Prefix(what), Entry::Prefix(prefix)) => what
                .parse::<IpNet>()
                .is_ok_and(|what| what.contains(prefix) || prefix.contains(&what)),
            (Origin::Name(what), Entry::Name(name)) => meet::patterns(what).contains(name),
            (Origin::Prefix(_), Entry::Name(_)) | (Origin::Name(_), Entry::Prefix(_)) => false,
        })
    }
}

type Kind = (Origin, String, Option<String>);
type Counts = BTreeMap<Kind, (u64, u64)>;

fn counts(traffic: &[Traffic]) -> Counts {
    let kind = |one: &Traffic| (one.what.clone(), one.set.clone(), one.group.clone());
    let all = traffic
        .iter()
        .map(|one| (kind(one), (one.packets, one.bytes)));
    all.collect()
}

fn traffic(counts: Counts) -> Vec<Traffic> {
    let all = counts.into_iter();
    all.map(|((what, set, group), (packets, bytes))| Traffic {
        what,
        set,
        group,
        packets,
        bytes,
    })
    .collect()
}

/// A day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    /// What was counted on it.
    total: Vec<Traffic>,
    /// The counters as they were seen last.
    seen: Vec<Traffic>,
}

impl Day {
    /// Adds what was counted since the counters were seen last.
    fn add(&mut self, counted: &[Traffic]) {
        let (mut total, seen) = (counts(&self.total), counts(&self.seen));
        for (kind, (packets, bytes)) in counts(counted) {
            let before = seen.get(&kind).copied().unwrap_or_default();
            // Counters that went back are new ones.
            let before = if before.0 > packets { (0, 0) } else { before };
            let sum = total.entry(kind).or_default();
            sum.0 += packets - before.0;
            sum.1 += bytes.saturating_sub(before.1);
        }
        total.retain(|_, (packets, _)| *packets > 0);
        self.total = traffic(total);
        self.seen = counted.to_vec();
    }
}

/// The files of the last days.
#[derive(Clone, Debug)]
pub struct TrafficLog {
    folder: PathBuf,
}

impl TrafficLog {
    /// Those of a folder of state.
    pub fn of(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join("traffic"),
        }
    }

    /// Adds the counters as they are to a day.
    ///
    /// # Errors
    /// The disk is full or not writable: the next time adds it all.
    pub fn record(&self, today: Date, counted: &[Traffic]) -> Result<(), FileError> {
        let mut day = self.begun(today);
        let before = day.clone();
        day.add(counted);
        if day == before {
            return Ok(());
        }
        durable::folder(&self.folder)?;
        let json = serde_json::to_vec(&day).unwrap_or_default();
        durable::replace(&self.path(today), &json)?;
        self.prune(today);
        Ok(())
    }

    /// What was counted from a day on, with what the counters say now; by kind.
    pub fn since(&self, first: Date, today: Date, counted: &[Traffic]) -> Vec<Traffic> {
        let mut now = self.begun(today);
        now.add(counted);
        let past = self.days().into_iter();
        let past = past.filter(|day| (first..today).contains(day));
        let totals = past.map(|day| self.read(day).total).chain([now.total]);
        let mut sums = Counts::new();
        for (kind, (packets, bytes)) in totals.flat_map(|total| counts(&total)) {
            let sum = sums.entry(kind).or_default();
            *sum = (sum.0 + packets, sum.1 + bytes);
        }
        traffic(sums)
    }

    /// The file of a day; of one that has none, an empty one that knows the counters of the day before.
    fn begun(&self, today: Date) -> Day {
        let newest = self.days().into_iter().filter(|day| *day <= today).max();
        match newest {
            Some(day) if day == today => self.read(day),
            Some(day) => Day {
                total: Vec::new(),
                seen: self.read(day).seen,
            },
            None => Day::default(),
        }
    }

    fn read(&self, day: Date) -> Day {
        let text = fs::read(self.path(day)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    fn days(&self) -> Vec<Date> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        names
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect()
    }

    fn prune(&self, today: Date) {
        let first = today.saturating_sub(Span::new().days(DAYS - 1));
        for day in self.days().into_iter().filter(|day| *day < first) {
            // A file that stays does no harm.
            let _: io::Result<()> = fs::remove_file(self.path(day));
        }
    }

    fn path(&self, day: Date) -> PathBuf {
        self.folder.join(format!("{day}.json"))
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn counted(packets: u64) -> Vec<Traffic> {
        let one = |set: &str, packets| Traffic {
            what: Origin::Set,
            set: set.to_owned(),
            group: None,
            packets,
            bytes: packets * 100,
        };
        vec![one("m365:11", packets), one("m365:12", 0)]
    }

    fn packets(traffic: &[Traffic]) -> u64 {
        assert!(
            traffic.iter().all(|one| one.set == "m365:11"),
            "{traffic:?}"
        );
        traffic.iter().map(|one| one.packets).sum()
    }

    #[test]
    fn days_add_up_whatever_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let log = TrafficLog::of(dir.path());
        // Day of June, counter as it is then, total since the second day.
        let table = [
            (1, 10, 10),
            (1, 15, 15),
            (2, 15, 0),
            (2, 25, 10),
            (3, 40, 25),
            // The maps are new.
            (3, 5, 30),
            (5, 6, 31),
        ];
        for (day, counter, total) in table {
            let today = date(2026, 6, day);
            let first = date(2026, 6, 2).min(today);
            assert_eq!(
                packets(&log.since(first, today, &counted(counter))),
                total,
                "{day} {counter}"
            );
            log.record(today, &counted(counter)).unwrap();
            assert_eq!(
                packets(&log.since(first, today, &counted(counter))),
                total,
                "{day} {counter}"
            );
        }
    }

    #[test]
    fn the_last_days_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let log = TrafficLog::of(dir.path());
        for day in 1..=20 {
            log.record(date(2026, 6, day), &counted(day as u64))
                .unwrap();
        }
        let mut days = log.days();
        days.sort();
        assert_eq!((days.len(), days[0]), (14, date(2026, 6, 7)));
    }
}
