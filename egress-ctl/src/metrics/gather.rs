//! Looks at what there is to tell: in the kernel's maps, in the state folder, and at the daemon's process.
//! Works without a daemon.

use std::time::{Duration, Instant};

use anyhow::Result;
use egress_common::{dns::Outcome, event, lesson, limits};

use super::{
    facts::{Bypass, Facts, Feed, Fill, Interface, Trial},
    paced::Pace,
    process,
};
use crate::{
    config::Config,
    daemon::{self, Places},
    dataplane::{
        counters,
        hook::{Role, attached},
        interface,
        maps::Pinned,
    },
    feed::{schedule::Schedule, settings::Settings, standing::Feeds, store::Folder},
    in_force,
    lever::{bypass, deadline::Now, trial},
    policy::ids::Ids,
    proxy::Told,
    state::Snapshot,
};

/// Whoever asks again so soon is told the same: asking costs a walk through large maps.
const FRESH: Duration = Duration::from_secs(1);

/// Entries of large maps, which are counted by walking through them.
#[derive(Clone, Copy, Default)]
struct Fills {
    learned: u64,
    connections: u64,
}

impl Fills {
    fn count(pinned: Pinned<'_>) -> Result<Self> {
        Ok(Self {
            learned: count(pinned.learned()?.keys()),
            connections: count(pinned.flows()?.keys()),
        })
    }
}

/// Looks, whenever it is asked to.
pub struct Gatherer {
    places: Places,
    /// The text of a config, and its feeds.
    feeds: (String, Vec<Settings>),
    ids: Ids,
    fills: Fills,
    pace: Pace,
    last: Option<(Instant, Facts)>,
}

impl Gatherer {
    /// One that has seen nothing yet.
    pub fn new(places: &Places) -> Self {
        Self {
            places: places.clone(),
            feeds: Default::default(),
            ids: Ids::default(),
            fills: Fills::default(),
            pace: Pace::default(),
            last: None,
        }
    }

    /// What there is to tell.
    ///
    /// # Errors
    /// Nothing is loaded, or maps and state cannot be read.
    pub fn facts(&mut self) -> Result<Facts> {
        if let Some((at, facts)) = &self.last
            && at.elapsed() < FRESH
        {
            return Ok(facts.clone());
        }
        let facts = self.look()?;
        self.last = Some((Instant::now(), facts.clone()));
        Ok(facts)
    }

    /// What names had which ids when it was looked last.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// What there is to tell at this moment; what takes long may have been counted a while ago.
    ///
    /// # Errors
    /// Nothing is loaded, or maps and state cannot be read.
    pub fn look(&mut self) -> Result<Facts> {
        let snapshot = in_force::snapshot(&self.places)?;
        self.know_feeds(&snapshot.text);
        self.ids.clone_from(&snapshot.ids);
        let Places { state_dir, pin_dir } = &self.places;
        let pinned = Pinned(pin_dir);
        let groups = groups(&snapshot);
        if let Some(fills) = self.pace.when_due(|| Fills::count(pinned)) {
            self.fills = fills?;
        }
        let daemon = daemon::holder(state_dir);
        Ok(Facts {
            interfaces: interfaces(&self.places, &snapshot.summary.lan)?,
            verdicts: counters::verdicts(pinned, groups.clone())?,
            replies: counters::replies(pinned, groups)?,
            sets: sets(pinned, &snapshot)?,
            dns: all(Outcome::ALL, Outcome::name, &counters::dns(pinned)?),
            lessons: all(
                lesson::Fate::ALL,
                lesson::Fate::name,
                &counters::lessons(pinned)?,
            ),
            events: all(
                event::Fate::ALL,
                event::Fate::name,
                &counters::events(pinned)?,
            ),
            learned: Fill {
                used: self.fills.learned,
                limit: limits::LEARNED.into(),
            },
            connections: Fill {
                used: self.fills.connections,
                limit: limits::FLOWS.into(),
            },
            dns_tcp: dns_tcp(&self.places, daemon.is_some()),
            feeds: self.feeds.1.iter().map(|one| self.feed(one)).collect(),
            bypass: bypass::now(&self.places)?.map(|state| Bypass { left: state.left }),
            trial: trial(&self.places),
            daemon: daemon.and_then(process::of),
            generation: snapshot.number,
            loaded: snapshot.loaded,
            summary: snapshot.summary,
        })
    }

    /// Reads the config in force for its feeds, where it is another one than before. One that a newer version
    /// wrote may not be understood; then no feeds are known.
    fn know_feeds(&mut self, text: &str) {
        if self.feeds.0 == text {
            return;
        }
        let config = Config::parse_with(text, &Feeds::Base).ok();
        let feeds = config.into_iter().flat_map(|config| config.feeds);
        let feeds = feeds.map(|feed| feed.settings).collect();
        self.feeds = (text.to_owned(), feeds);
    }

    fn feed(&self, settings: &Settings) -> Feed {
        let folder = Folder::of(&self.places.state_dir, &settings.source);
        // What cannot be read is told by `feed status`.
        let state = folder.read().map(|read| read.state).unwrap_or_default();
        let schedule = Schedule::read(&folder);
        let edition = state
            .approved()
            .and_then(|approved| folder.edition(&approved.blob).ok());
        Feed {
            source: settings.source.clone(),
            instance: settings.question.instance.clone(),
            version: edition
                .as_ref()
                .and_then(|edition| Some(edition.version.as_ref()?.to_string())),
            polled: schedule.last,
            answered: schedule.answered,
            failures: schedule.failures,
            waits: state.candidate.is_some(),
            refused: state.refusal().is_some(),
            quarantined: edition.map_or(0, |edition| edition.quarantine.len()),
        }
    }
}

/// Names and places of groups; place 0 belongs to packets of no group.
fn groups(snapshot: &Snapshot) -> Vec<(Option<String>, u8)> {
    let named = snapshot.ids.groups();
    let named = named.map(|(name, place)| (Some(name.to_owned()), place));
    named.chain([(None, 0)]).collect()
}

/// What is attached to interfaces that are there, by whatever name they are now.
fn interfaces(places: &Places, lan: &[String]) -> Result<Vec<Interface>> {
    let mut attached = attached(&places.pin_dir)?;
    attached.retain(|at| interface::name(at.index).is_some());
    let has = |name: &String, role| {
        let mut here = attached.iter().filter(|at| at.interface == *name);
        here.any(|at| at.hook.role() == role)
    };
    let one = |name: &String| Interface {
        name: name.clone(),
        judges: has(name, Role::Judge),
        learns: has(name, Role::Learn),
    };
    Ok(lan.iter().map(one).collect())
}

fn sets(pinned: Pinned<'_>, snapshot: &Snapshot) -> Result<Vec<(String, counters::OfSet)>> {
    let counted = counters::sets(pinned, snapshot.ids.sets())?.into_iter();
    Ok(counted.map(|(key, of)| (key.to_owned(), of)).collect())
}

/// What was counted of each, and zero of what was not.
fn all<K: Copy + PartialEq>(
    kinds: &[K],
    name: impl Fn(K) -> &'static str,
    counted: &[(K, u64)],
) -> Vec<(&'static str, u64)> {
    let count = |kind: &K| counted.iter().find(|(of, _)| of == kind);
    let one = |kind: &K| (name(*kind), count(kind).map_or(0, |(_, count)| *count));
    kinds.iter().map(one).collect()
}

fn count<K, E>(keys: impl Iterator<Item = Result<K, E>>) -> u64 {
    // No map has as many entries as this could not count.
    u64::try_from(keys.filter(Result::is_ok).count()).unwrap_or(u64::MAX)
}

/// What became of DNS over TCP: without a daemon, nobody relays it.
fn dns_tcp(places: &Places, runs: bool) -> Told {
    let told = Told::read(&places.state_dir).unwrap_or_default();
    if runs || !told.active {
        return told;
    }
    told.ended("the daemon does not run")
}

fn trial(places: &Places) -> Trial {
    let Some(record) = trial::Trial::read(&places.state_dir).ok().flatten() else {
        return Trial::None;
    };
    let now = Now::read();
    let is_over = record.fallen.is_some() || record.deadline.left(&now).is_none();
    match is_over {
        true => Trial::FellBack,
        false => Trial::On {
            ends: record.deadline.at(&now),
        },
    }
}
