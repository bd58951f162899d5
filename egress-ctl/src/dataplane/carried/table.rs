//! The tables of counters that have a place for each.

use std::{collections::BTreeMap, path::Path};

use aya::maps::{MapData, MapError};
use egress_common::verdict::Counter;

use super::{Kind, form::Form};
use crate::dataplane::{counters::ReadError, layout, maps::Pinned, whole::Whole};

/// A table, by the number that it has among what was carried over, which never changes its meaning.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::dataplane) enum Table {
    /// By group, action and reason.
    Verdicts = 0,
    /// By endpoint set.
    Sets = 1,
    /// Replies by group and reason.
    Replies = 2,
    /// Replies by endpoint set.
    SetReplies = 3,
    /// DNS messages by outcome.
    Dns = 4,
    /// Events by fate.
    EventFates = 5,
    /// Records of lessons by fate.
    LessonFates = 6,
    /// Packets by what became of them where there is a fast path.
    Forwards = 7,
}

impl Table {
    /// All of them.
    pub(super) const ALL: &[Self] = &[
        Self::Verdicts,
        Self::Sets,
        Self::Replies,
        Self::SetReplies,
        Self::Dns,
        Self::EventFates,
        Self::LessonFates,
        Self::Forwards,
    ];

    /// The name of its map.
    fn pin(self) -> &'static str {
        match self {
            Self::Verdicts => "VERDICTS",
            Self::Sets => "SETS",
            Self::Replies => "REPLIES",
            Self::SetReplies => "SET_REPLIES",
            Self::Dns => "DNS",
            Self::EventFates => "EVENT_FATES",
            Self::LessonFates => "LESSON_FATES",
            Self::Forwards => "FORWARDS",
        }
    }

    /// What its map in a folder counted, without zeros, by the places of today.
    fn count(self, folder: &Path, form: Form) -> Result<BTreeMap<[u32; 2], Counter>, MapError> {
        let path = folder.join(self.pin());
        if !path.exists() {
            // That layout had none.
            return Ok(BTreeMap::new());
        }
        let Whole { values, cpus, each } = Whole::<u64>::read(&MapData::from_pin(path)?)?;
        let mut counted = BTreeMap::new();
        for (place, entry) in (0..).zip(values.chunks(cpus * each)) {
            let word = |at: usize| entry.iter().skip(at).step_by(each).sum::<u64>();
            // Where messages are counted, there are no bytes.
            let bytes = if each > 1 { word(1) } else { 0 };
            let packets = word(0);
            if packets > 0 {
                let key = [self as u32, form.place(self, place)];
                counted.insert(key, Counter { packets, bytes });
            }
        }
        Ok(counted)
    }
}

/// Counters by table and place.
pub(super) struct Tables;

impl Kind for Tables {
    type Key = [u32; 2];
    type Value = Counter;
    const PIN: &'static str = "COUNTERS";

    fn count(pinned: Pinned<'_>) -> Result<BTreeMap<[u32; 2], Counter>, ReadError> {
        let form = Form::of(layout::known(pinned)?.unwrap_or(layout::VERSION));
        let mut counted = BTreeMap::new();
        for table in Table::ALL {
            counted.append(&mut table.count(pinned.0, form)?);
        }
        Ok(counted)
    }

    fn add(sum: &mut Counter, more: Counter) {
        sum.packets += more.packets;
        sum.bytes += more.bytes;
    }
}
