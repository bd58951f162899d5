//! One event, in words.
//!
//! In: an event of the kernel, and the generation that judged the packet. Out: names instead of numbers.

use std::{collections::HashMap, fmt, net::IpAddr, time::Duration};

use anyhow::Result;
use egress_common::{
    event::{Event, flag},
    learned::{LearnedKey, Scope, Slot},
    verdict::{Action, NO_GROUP, NO_SET, Reason},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use crate::{
    command::force::Force,
    daemon::Places,
    dataplane::{boot_ns, interface, maps::Pinned},
    dns::names::Naming,
    explain::{
        cover,
        nearest::{Nearest, nearest},
        words,
    },
    policy::{ids::Ids, meet},
};

/// An event, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Told {
    schema: &'static str,
    time: Timestamp,
    interface: String,
    vlan: u16,
    mac: String,
    /// None where the packet could not be parsed, as all that follows from it.
    pub(super) client: Option<IpAddr>,
    pub(super) group: Option<String>,
    destination: Option<IpAddr>,
    /// Patterns whose names DNS answers gave the address for; empty where there was none that is listed.
    names: Vec<String>,
    /// Whether an answer for a name that is not listed gave the address.
    name_not_listed: bool,
    /// The name that a DNS answer gave the address for last, to this client where it asked; none where no
    /// answer did, or where that was not heard.
    name: Option<String>,
    /// The names that it led through.
    chain: Vec<String>,
    protocol: Option<String>,
    source_port: u16,
    port: u16,
    pub(super) action: &'static str,
    pub(super) reason: &'static str,
    /// The endpoint set or rule that decided.
    pub(super) set: Option<String>,
    pub(super) nearest: Option<Nearest>,
    generation: u64,
    bytes: u32,
    later_fragment: bool,
    opens: bool,
    /// Events of this client and reason since the last one that are not shown.
    suppressed: u32,
    #[serde(skip)]
    words: Words,
}

/// What `Display` says otherwise than JSON.
struct Words {
    service: String,
    action: &'static str,
    reason: &'static str,
}

/// What numbers mean.
pub(super) struct Teller<'a> {
    places: &'a Places,
    /// Generations by number; none where its file is gone.
    generations: HashMap<u64, Option<Force>>,
    interfaces: HashMap<u32, String>,
}

/// Generations that are kept for events that come late.
const KEPT: usize = 2;

impl<'a> Teller<'a> {
    /// Knows the generation in force.
    pub(super) fn new(places: &'a Places) -> Result<Self> {
        let force = Force::read(places)?;
        Ok(Self {
            places,
            generations: HashMap::from([(force.snapshot.number, Some(force))]),
            interfaces: HashMap::new(),
        })
    }

    /// Ids that were given when it began.
    pub(super) fn ids(&self) -> Option<&Ids> {
        let newest = self.generations.keys().copied().max()?;
        let force = self.generations.get(&newest)?.as_ref()?;
        Some(&force.snapshot.ids)
    }

    /// Tells of an event, to a destination of which these names are known.
    pub(super) fn tell(&mut self, event: &Event, known: &[Naming]) -> Told {
        let interface = self.interface(event.interface);
        let (names, name_not_listed) = self.names(event);
        let force = self.generation(event.generation);
        let group = force.and_then(|force| {
            let known = (event.group != NO_GROUP)
                .then(|| force.generation.groups.get(usize::from(event.group)));
            Some(known??.name.clone())
        });
        let decided = force.filter(|_| event.set != NO_SET);
        let set = decided.and_then(|force| force.snapshot.ids.set_named(event.set));
        let (client, destination) = ends(event);
        let last = last_name(known, &names, client);
        let reason = Reason::from_number(event.reason);
        let action = action(event.action);
        let is_judged = destination.is_some() && reason != Reason::NoGroup;
        Told {
            schema: "egress.event/1",
            time: time(event.at_ns),
            interface,
            vlan: event.vlan,
            mac: words::mac(event.mac),
            nearest: force
                .filter(|_| is_judged && set.is_none())
                .and_then(|force| nearest_to(force, event, &names, group.as_deref())),
            set: set.map(str::to_owned),
            client,
            group,
            destination,
            names,
            name_not_listed,
            name: last.map(|naming| naming.name.clone()),
            chain: last.map(|naming| naming.chain.clone()).unwrap_or_default(),
            protocol: destination.map(|_| words::protocol(event.proto)),
            source_port: event.src_port,
            port: event.dst_port,
            action: action.name(),
            reason: reason.name(),
            generation: event.generation,
            bytes: event.frame_len,
            later_fragment: event.flags & flag::LATER_FRAGMENT != 0,
            opens: event.flags & flag::OPENS != 0,
            suppressed: event.suppressed,
            words: Words {
                service: words::service(event.proto, event.dst_port),
                action: words::action(action),
                reason: words::reason(reason),
            },
        }
    }

    fn interface(&mut self, index: u32) -> String {
        let named = || interface::name(index).unwrap_or_else(|| format!("interface {index}"));
        self.interfaces.entry(index).or_insert_with(named).clone()
    }

    fn generation(&mut self, number: u64) -> Option<&Force> {
        if number != 0 && !self.generations.contains_key(&number) {
            let newest = self.generations.keys().copied().max();
            if self.generations.len() >= KEPT {
                self.generations.retain(|known, _| Some(*known) == newest);
            }
            let force = Force::numbered(self.places, number).ok();
            self.generations.insert(number, force);
        }
        self.generations.get(&number)?.as_ref()
    }

    /// Patterns that taught the destination, and whether a name that is not listed gave it.
    fn names(&mut self, event: &Event) -> (Vec<String>, bool) {
        let pinned = Pinned(&self.places.pin_dir);
        let learned = pinned.learned().ok();
        let for_all = LearnedKey::for_all(event.dst);
        let for_client = LearnedKey::of(event.dst, event.src, Scope::Client);
        let learned = learned.and_then(|map| {
            let known = map.get(&for_all, 0).or_else(|_| map.get(&for_client, 0));
            known.ok()
        });
        let words = learned.map(|learned| learned.slots).unwrap_or_default();
        let ids = self
            .generation(event.generation)
            .map(|force| &force.snapshot.ids);
        let slots = words.into_iter().filter_map(Slot::from_word);
        let names = slots.filter_map(|slot| Some(ids?.pattern_named(slot.pattern)?.to_owned()));
        let names: Vec<_> = names.collect();
        let refused = || pinned.refused().ok()?.get(&event.dst, 0).ok();
        let name_not_listed = names.is_empty() && refused().is_some();
        (names, name_not_listed)
    }
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

fn nearest_to(
    force: &Force,
    event: &Event,
    names: &[String],
    group: Option<&str>,
) -> Option<Nearest> {
    let addr = event.dst.into();
    let mut covers = cover::of_address(&force.config, addr);
    for pattern in names.iter().flat_map(|name| meet::patterns(name)) {
        covers.extend(cover::of_pattern(&force.config, &pattern));
    }
    let service = (event.proto, event.dst_port);
    nearest(&force.config, &covers, addr, service, group)
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

impl Told {
    /// The destination's name, and what lists it, as words.
    fn named(&self) -> Option<String> {
        let patterns = self.names.join(", ");
        match (&self.name, self.names.as_slice()) {
            (Some(name), [pattern]) if name == pattern => Some(name.clone()),
            (Some(name), [_, ..]) => Some(format!("{name} by {patterns}")),
            (Some(name), []) if self.name_not_listed => Some(format!("{name}, not listed")),
            (Some(name), []) => Some(name.clone()),
            (None, [_, ..]) => Some(patterns),
            (None, []) => {
                let not_listed = "a name that is not listed";
                self.name_not_listed.then(|| not_listed.to_owned())
            }
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = self.time.to_zoned(TimeZone::system());
        write!(
            f,
            "{} {}",
            time.strftime("%T%.3f"),
            words::printable(&self.interface)
        )?;
        if self.vlan != 0 {
            write!(f, " vlan {}", self.vlan)?;
        }
        match (self.client, self.destination) {
            (Some(client), Some(destination)) => {
                let group = self.group.as_deref().unwrap_or("no group");
                write!(f, " {client} ({group}) to {destination}")?;
                if let Some(named) = self.named() {
                    write!(f, " ({})", words::printable(&named))?;
                }
                write!(f, " {}", self.words.service)?;
            }
            _ => write!(f, " {}, {} bytes", self.mac, self.bytes)?,
        }
        write!(f, " {}: {}", self.words.action, self.words.reason)?;
        if let Some(set) = &self.set {
            write!(f, ", {}", words::printable(set))?;
        }
        if let Some(nearest) = &self.nearest {
            write!(f, "; {}", words::printable(&nearest.to_string()))?;
        }
        match self.suppressed {
            0 => Ok(()),
            more => write!(f, "; {more} more before it are not shown"),
        }
    }
}
