//! What was seen so far, and the picture that it makes.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    net::IpAddr,
};

use egress_common::verdict::{Action, Counter, Reason};
use jiff::Timestamp;

use super::{
    gateway::Gateway,
    picture::{
        Destination, Fault, Group, KIND, OfEvents, OfFate, OfOutcome, OfReason, Packets, Picture,
        Set,
    },
    recent::{Denied, Recent, WINDOW},
    sight::{Named, Sight},
    track::{Measured, Tracks},
};
use crate::{feed::traffic::Origin, metrics::facts::Facts};

/// Names that are kept.
const NAMES: usize = 100;

type GroupName = Option<String>;

/// What goes on, as far as it was seen.
#[derive(Clone)]
pub struct Live {
    verdicts: Tracks<(GroupName, Action, Reason)>,
    replies: Tracks<GroupName>,
    sets: Tracks<String>,
    set_replies: Tracks<String>,
    traffic: Tracks<(Origin, String, GroupName)>,
    dns: Tracks<&'static str>,
    fates: Tracks<&'static str>,
    connections: BTreeMap<IpAddr, u64>,
    names: VecDeque<Named>,
    recent: Recent,
    unheard: Option<String>,
    last: Option<(Timestamp, Gateway)>,
    fault: Option<Fault>,
}

impl Live {
    /// Nothing yet, to keep so many rates of each counter.
    pub fn new(kept: usize) -> Self {
        Self {
            verdicts: Tracks::new(kept),
            replies: Tracks::new(kept),
            sets: Tracks::new(kept),
            set_replies: Tracks::new(kept),
            traffic: Tracks::new(kept),
            dns: Tracks::new(kept),
            fates: Tracks::new(kept),
            connections: BTreeMap::new(),
            names: VecDeque::new(),
            recent: Recent::default(),
            unheard: None,
            last: None,
            fault: None,
        }
    }

    /// Takes in what was seen.
    pub fn see(&mut self, sight: Sight) {
        let Sight {
            at,
            time,
            facts,
            traffic,
            connections,
            names,
        } = sight;
        self.last = Some((time, Gateway::from(&facts)));
        self.fault = None;
        let Facts {
            verdicts,
            replies,
            sets,
            dns,
            events,
            ..
        } = facts;
        let verdicts = verdicts.into_iter();
        let verdicts = verdicts.map(|(group, one)| ((group, one.action, one.reason), one.counter));
        self.verdicts.take(at, verdicts);
        let replies = replies.into_iter();
        self.replies
            .take(at, replies.map(|(group, _, counter)| (group, counter)));
        let of = |part: fn(&crate::dataplane::counters::OfSet) -> Counter| {
            let sets = sets.iter();
            let counted: Vec<_> = sets.map(|(set, of)| (set.clone(), part(of))).collect();
            counted
        };
        self.sets.take(at, of(|of| of.sent));
        self.set_replies.take(at, of(|of| of.replies));
        self.dns.take(at, dns.into_iter().map(messages));
        self.fates.take(at, events.into_iter().map(messages));
        if let Some(traffic) = traffic {
            let counted = traffic.into_iter().map(|one| {
                let (packets, bytes) = (one.packets, one.bytes);
                ((one.what, one.set, one.group), Counter { packets, bytes })
            });
            self.traffic.take(at, counted);
        }
        if let Some(connections) = connections {
            self.connections = connections;
        }
        self.know(names.unwrap_or_default());
        self.recent.forget(time);
    }

    /// Takes in that nothing could be seen; what was seen before stays.
    pub fn miss(&mut self, time: Timestamp, why: String) {
        let since = self.fault.as_ref().map_or(time, |fault| fault.since);
        self.fault = Some(Fault { since, why });
        self.recent.forget(time);
    }

    /// Takes an event in.
    pub fn hear(&mut self, denied: Denied) {
        self.recent.take(denied);
    }

    /// Takes in why no events come; nothing where they do.
    pub fn unheard(&mut self, why: Option<String>) {
        self.unheard = why;
    }

    /// The names that are new before those that were known.
    fn know(&mut self, newest: Vec<Named>) {
        let known = std::mem::take(&mut self.names);
        let mut told = HashSet::new();
        let all = newest.into_iter().chain(known);
        let once = all.filter(|one| told.insert((one.name.clone(), one.address)));
        self.names = once.take(NAMES).collect();
    }

    /// What there is to show, with so many rates of each counter, and of events those that are wanted.
    pub fn picture(&self, points: usize, wanted: impl Fn(&Denied) -> bool) -> Picture {
        let groups = self.groups(points);
        Picture {
            schema: KIND.name,
            time: self.last.as_ref().map(|(time, _)| *time),
            fault: self.fault.clone(),
            gateway: self.last.as_ref().map(|(_, gateway)| gateway.clone()),
            total: Packets::sum(groups.iter().map(|group| &group.packets)),
            groups,
            reasons: self.reasons(points),
            sets: self.sets(points),
            destinations: self.destinations(points),
            dns: self.outcomes(),
            names: self.names.iter().cloned().collect(),
            recent: OfEvents {
                seconds: WINDOW.as_secs(),
                fault: self.unheard.clone(),
                fates: self.fates(),
                clients: self.recent.clients(&wanted, &self.connections),
                destinations: self.recent.destinations(&wanted),
            },
            not_narrowed: Vec::new(),
        }
    }

    fn groups(&self, points: usize) -> Vec<Group> {
        let mut groups: BTreeMap<&GroupName, Packets> = BTreeMap::new();
        for ((group, action, _), measured) in self.verdicts.measured(points) {
            *groups.entry(group).or_default().of(*action) += measured;
        }
        for (group, measured) in self.replies.measured(points) {
            groups.entry(group).or_default().replies += measured;
        }
        let groups = groups.into_iter().map(|(group, packets)| Group {
            group: group.clone(),
            packets,
        });
        groups.collect()
    }

    fn reasons(&self, points: usize) -> Vec<OfReason> {
        let verdicts = self.verdicts.measured(points);
        let reasons = verdicts.map(|((group, action, reason), measured)| OfReason {
            action: action.name(),
            reason: reason.name(),
            group: group.clone(),
            measured,
        });
        reasons.collect()
    }

    fn sets(&self, points: usize) -> Vec<Set> {
        let mut sets: BTreeMap<&String, (Measured, Measured)> = BTreeMap::new();
        for (set, sent) in self.sets.measured(points) {
            sets.entry(set).or_default().0 = sent;
        }
        for (set, replies) in self.set_replies.measured(points) {
            sets.entry(set).or_default().1 = replies;
        }
        let sets = sets.into_iter().map(|(set, (sent, replies))| Set {
            set: set.clone(),
            sent,
            replies,
        });
        sets.collect()
    }

    fn destinations(&self, points: usize) -> Vec<Destination> {
        let traffic = self.traffic.measured(points);
        let destinations = traffic.map(|((what, set, group), measured)| Destination {
            destination: what.clone(),
            set: set.clone(),
            group: group.clone(),
            measured,
        });
        destinations.collect()
    }

    fn outcomes(&self) -> Vec<OfOutcome> {
        let outcomes = self.dns.measured(0).map(|(outcome, measured)| OfOutcome {
            outcome,
            messages: measured.packets,
            messages_per_second: measured.rate.packets,
        });
        outcomes.collect()
    }

    fn fates(&self) -> Vec<OfFate> {
        let fates = self.fates.measured(0).map(|(fate, measured)| OfFate {
            fate,
            events: measured.packets,
            events_per_second: measured.rate.packets,
        });
        fates.collect()
    }
}

/// A number of messages, as a counter.
fn messages((name, packets): (&'static str, u64)) -> (&'static str, Counter) {
    (name, Counter { packets, bytes: 0 })
}

impl Packets {
    /// Those that this was done with.
    fn of(&mut self, action: Action) -> &mut Measured {
        match action {
            Action::Allow => &mut self.allowed,
            Action::WouldDrop => &mut self.would_drop,
            Action::Drop | Action::Reject => &mut self.denied,
        }
    }

    fn sum<'a>(all: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let sum = |part: fn(&Self) -> &Measured| all.clone().map(|one| part(one).clone()).sum();
        Self {
            allowed: sum(|one| &one.allowed),
            would_drop: sum(|one| &one.would_drop),
            denied: sum(|one| &one.denied),
            replies: sum(|one| &one.replies),
        }
    }
}

#[cfg(test)]
mod tests;
