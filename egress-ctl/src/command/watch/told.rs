//! One event, as it is printed.
//!
//! In: a record, and the generation that judged the packet. Out: the same with the endpoint set that is nearest.

use std::{collections::HashMap, fmt};

use egress_common::flow::proto;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    command::force::Force,
    daemon::Places,
    explain::{
        cover,
        nearest::{Nearest, nearest},
        words,
    },
    filter::Subject,
    history::record::{EVENT, Record},
    policy::meet,
    schema::Kind,
};

/// Of a [`Told`].
pub(crate) const KIND: Kind = Kind::of::<Told>(EVENT, "egress-ctl watch --json, a line each time");

/// An event, as `--json` prints it.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) record: Record,
    /// The endpoint set that is nearest; none where the generation that judged is not kept any more.
    pub(crate) nearest: Option<Nearest>,
}

/// Generations that are kept for events that come late.
const KEPT: usize = 2;

/// Knows generations by their numbers.
pub(crate) struct Generations<'a> {
    places: &'a Places,
    /// None where its file is gone.
    known: HashMap<u64, Option<Force>>,
}

impl<'a> Generations<'a> {
    pub(crate) fn new(places: &'a Places) -> Self {
        Self {
            places,
            known: HashMap::new(),
        }
    }

    pub(crate) fn numbered(&mut self, number: u64) -> Option<&Force> {
        if number != 0 && !self.known.contains_key(&number) {
            let newest = self.known.keys().copied().max();
            if self.known.len() >= KEPT {
                self.known.retain(|known, _| Some(*known) == newest);
            }
            let force = Force::numbered(self.places, number).ok();
            self.known.insert(number, force);
        }
        self.known.get(&number)?.as_ref()
    }

    /// Tells of an event.
    pub(crate) fn tell(&mut self, record: Record) -> Told {
        let is_meant = record.reason.as_str() != NO_GROUP && record.set.is_none();
        let force = self
            .numbered(record.generation)
            .filter(|_| is_meant && record.destination.is_some());
        Told {
            nearest: force.and_then(|force| nearest_to(force, &record)),
            record,
        }
    }
}

/// The reason of packets that no set is near to: nobody is there whom it could be for.
const NO_GROUP: &str = egress_common::verdict::Reason::NoGroup.name();

fn nearest_to(force: &Force, record: &Record) -> Option<Nearest> {
    let addr = record.destination?;
    let mut covers = cover::of_address(&force.config, addr);
    for pattern in record.names.iter().flat_map(|name| meet::patterns(name)) {
        covers.extend(cover::of_pattern(&force.config, &pattern));
    }
    let service = (record.protocol_number?, record.port);
    let group = record.group.as_deref();
    nearest(&force.config, &covers, addr, service, group)
}

impl Told {
    /// What a filter asks of it.
    pub(crate) fn subject(&self) -> Subject<'_> {
        let nearest = self.nearest.as_ref().map(|nearest| nearest.set.as_str());
        self.record.subject(nearest)
    }

    /// The destination's name, and what lists it, as words.
    fn named(&self) -> Option<String> {
        let Record {
            name,
            names,
            name_not_listed,
            ..
        } = &self.record;
        let patterns = names.join(", ");
        match (name, names.as_slice()) {
            (Some(name), [pattern]) if name == pattern => Some(name.clone()),
            (Some(name), [_, ..]) => Some(format!("{name} by {patterns}")),
            (Some(name), []) if *name_not_listed => Some(format!("{name}, not listed")),
            (Some(name), []) => Some(name.clone()),
            (None, [_, ..]) => Some(patterns),
            (None, []) => name_not_listed.then(|| "a name that is not listed".to_owned()),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = &self.record;
        let time = told.time.to_zoned(TimeZone::system());
        let interface = words::printable(&told.interface);
        write!(f, "{} {interface}", time.strftime("%T%.3f"))?;
        if told.vlan != 0 {
            write!(f, " vlan {}", told.vlan)?;
        }
        match (told.client, told.destination) {
            (Some(client), Some(destination)) => {
                let group = told.group.as_deref().unwrap_or("no group");
                write!(
                    f,
                    " {client} ({}) to {destination}",
                    words::printable(group)
                )?;
                if let Some(named) = self.named() {
                    write!(f, " ({})", words::printable(&named))?;
                }
                let number = told.protocol_number.unwrap_or(proto::HOP_BY_HOP);
                write!(f, " {}", words::service(number, told.port))?;
            }
            _ => write!(f, " {}, {} bytes", words::printable(&told.mac), told.bytes)?,
        }
        let reason = told.reason().map(words::reason);
        let reason = reason.map_or_else(|| words::printable(&told.reason), str::to_owned);
        write!(f, " {}: {reason}", words::action(told.action()))?;
        if let Some(set) = &told.set {
            write!(f, ", {}", words::printable(set))?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; {}", words::printable(&nearest.to_string()))?;
        }
        match told.suppressed {
            0 => Ok(()),
            more => write!(f, "; {more} more before it are not shown"),
        }
    }
}
