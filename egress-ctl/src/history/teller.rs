//! What the numbers of an event mean.
//!
//! In: an event of the kernel, and the names that are known of its destination. Out: a [`Record`].

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use egress_common::{
    event::{Event, flag},
    learned::{LearnedKey, Scope, Slot},
    verdict::{Action, NO_GROUP, NO_SET, Reason},
};
use jiff::Timestamp;

use super::record::{EVENT, Record};
use crate::{
    dataplane::{boot_ns, interface, maps::Pinned},
    dns::names::Naming,
    explain::words,
    policy::{generation::Generation, ids::Ids},
};

/// Generations whose groups are kept for events that come late.
const KEPT: usize = 4;

/// Knows what numbers mean.
#[derive(Debug)]
pub struct Teller {
    pin_dir: PathBuf,
    sets: HashMap<u16, String>,
    patterns: Arc<HashMap<u32, String>>,
    /// Groups by generation, in the order of their numbers.
    groups: BTreeMap<u64, Vec<String>>,
}

/// What a generation calls what.
#[derive(Debug)]
pub struct Words {
    /// Its number.
    pub number: u64,
    /// Groups, in the order of their numbers.
    pub groups: Vec<String>,
    /// Endpoint sets and rules by their ids.
    pub sets: HashMap<u16, String>,
    /// Patterns by their ids.
    pub patterns: Arc<HashMap<u32, String>>,
}

impl Words {
    /// Of a generation, and all ids that were given until then.
    pub fn of(
        number: u64,
        generation: &Generation,
        ids: &Ids,
        patterns: Arc<HashMap<u32, String>>,
    ) -> Self {
        let groups = generation.groups.iter().map(|group| group.name.clone());
        Self {
            number,
            groups: groups.collect(),
            sets: ids.sets().map(|(key, id)| (id, key.to_owned())).collect(),
            patterns,
        }
    }
}

impl Teller {
    /// Knows nothing yet but the maps that are pinned there.
    pub fn new(pin_dir: PathBuf) -> Self {
        Self {
            pin_dir,
            sets: HashMap::new(),
            patterns: Arc::default(),
            groups: BTreeMap::new(),
        }
    }

    /// Takes in what a generation calls what; ids keep their meaning, numbers of groups do not.
    pub fn know(&mut self, words: Words) {
        let Words {
            number,
            groups,
            sets,
            patterns,
        } = words;
        // An older generation's ids are among those of a newer one.
        if sets.len() >= self.sets.len() {
            self.sets = sets;
            self.patterns = patterns;
        }
        self.groups.insert(number, groups);
        while self.groups.len() > KEPT {
            self.groups.pop_first();
        }
    }

    /// Whether the groups of a generation are known.
    pub fn knows(&self, generation: u64) -> bool {
        self.groups.contains_key(&generation)
    }

    /// Tells of an event, to a destination of which these names are known.
    pub fn tell(&self, event: &Event, known: &[Naming]) -> Record {
        let (names, name_not_listed) = self.names(event);
        let groups = self.groups.get(&event.generation);
        let group = groups.filter(|_| event.group != NO_GROUP);
        let group = group.and_then(|groups| groups.get(usize::from(event.group)));
        let set = Some(event.set).filter(|set| *set != NO_SET);
        let (client, destination) = ends(event);
        let last = last_name(known, &names, client);
        Record {
            schema: EVENT.to_owned(),
            number: None,
            time: time(event.at_ns),
            boot_ns: event.at_ns,
            interface: called(event.interface),
            vlan: event.vlan,
            mac: words::mac(event.mac),
            set: set.and_then(|set| self.sets.get(&set).cloned()),
            client,
            group: group.cloned(),
            destination,
            names,
            name_not_listed,
            name: last.map(|naming| naming.name.clone()),
            chain: last.map(|naming| naming.chain.clone()).unwrap_or_default(),
            protocol: destination.map(|_| words::protocol(event.proto)),
            protocol_number: destination.map(|_| event.proto),
            source_port: event.src_port,
            port: event.dst_port,
            action: action(event.action).name().to_owned(),
            reason: Reason::from_number(event.reason).name().to_owned(),
            generation: event.generation,
            bytes: event.frame_len,
            later_fragment: event.flags & flag::LATER_FRAGMENT != 0,
            opens: event.flags & flag::OPENS != 0,
            suppressed: event.suppressed,
        }
    }

    /// Patterns that taught the destination, and whether a name that is not listed gave it.
    fn names(&self, event: &Event) -> (Vec<String>, bool) {
        let pinned = Pinned(&self.pin_dir);
        let learned = pinned.learned().ok();
        let for_all = LearnedKey::for_all(event.dst);
        let for_client = LearnedKey::of(event.dst, event.src, Scope::Client);
        let learned = learned.and_then(|map| {
            let known = map.get(&for_all, 0).or_else(|_| map.get(&for_client, 0));
            known.ok()
        });
        let words = learned.map(|learned| learned.slots).unwrap_or_default();
        let slots = words.into_iter().filter_map(Slot::from_word);
        let names = slots.filter_map(|slot| self.patterns.get(&slot.pattern).cloned());
        let names: Vec<_> = names.collect();
        let refused = || pinned.refused().ok()?.get(&event.dst, 0).ok();
        let name_not_listed = names.is_empty() && refused().is_some();
        (names, name_not_listed)
    }
}

fn called(interface: u32) -> String {
    interface::name(interface).unwrap_or_else(|| format!("interface {interface}"))
}

/// Client and destination; none of a packet that could not be parsed.
fn ends(event: &Event) -> (Option<IpAddr>, Option<IpAddr>) {
    let (src, dst) = (IpAddr::from(event.src), IpAddr::from(event.dst));
    let is_parsed = !(src.is_unspecified() && dst.is_unspecified() && event.proto == 0);
    (is_parsed.then_some(src), is_parsed.then_some(dst))
}

/// The name that was answered last: of those that the patterns list which taught the address, or of any where
/// none did; to the client where it asked for one.
fn last_name<'a>(
    known: &'a [Naming],
    patterns: &[String],
    client: Option<IpAddr>,
) -> Option<&'a Naming> {
    let is_meant = |naming: &&Naming| {
        let of_pattern = naming.pattern.as_ref();
        patterns.is_empty() || of_pattern.is_some_and(|pattern| patterns.contains(pattern))
    };
    let asked = |naming: &&Naming| client.is_some_and(|client| naming.clients.contains(&client));
    let mut meant = known.iter().filter(is_meant);
    let own = meant.clone().find(asked);
    own.or_else(|| meant.next())
}

fn action(number: u8) -> Action {
    let found = Action::ALL.iter().find(|action| **action as u8 == number);
    found.copied().unwrap_or(Action::Drop)
}

/// The wall clock's time of an event.
fn time(at_ns: u64) -> Timestamp {
    let ago = Duration::from_nanos(boot_ns().saturating_sub(at_ns));
    Timestamp::now().checked_sub(ago).unwrap_or_default()
}
