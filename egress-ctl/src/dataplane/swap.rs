//! Puts a compiled generation into force, as a whole.
//!
//! The half of the tables that no packet uses is filled; then one word says that it is in force.

use std::{
    collections::{BTreeSet, HashMap},
    panic::resume_unwind,
    thread,
};

use aya::maps::{ArrayOfMaps, MapData, MapError};
use egress_common::{
    flow::FlowKey,
    learned::{Learned, LearnedKey},
    limits,
    name::NAME_KEY_BYTES,
    rule::{ANY_VLAN, Destination, MachineKey, PlaceKey, feature},
    trial::Trial,
};
use ipnet::{IpNet, Ipv4Net};
use rustix::io::Errno;

use super::{
    aside, boot_ms,
    layout::{self, LayoutError},
    maps::{
        AddrKey, AddrTrie, ClientTrie, ClientTrieKey, NameTrie, NameTrieKey, Pinned, PinnedError,
    },
    stamp::{self, StampError},
    trial,
};
use crate::policy::{
    flat::{Table, TooLarge},
    generation::{Generation, client_key, prefix_key},
    membership::Membership,
    names::Names,
    steer::Steered,
};

/// Why a generation did not get into force; the one before stays.
#[derive(Debug, thiserror::Error)]
pub enum SwapError {
    /// A map is not there.
    #[error(transparent)]
    Pinned(#[from] PinnedError),
    /// The kernel refused an entry.
    #[error("cannot write the kernel's table of {table}")]
    Write {
        /// Which table.
        table: &'static str,
        /// Why.
        source: MapError,
    },
    /// There is no place left in a table.
    #[error(
        "the kernel's table of {table} is full, or has no place for so many: the config needs fewer of them"
    )]
    Full {
        /// Which table.
        table: &'static str,
        /// What it answered.
        source: MapError,
    },
    /// The maps are not those of this version, nor of one that it knows.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The flat table has not room for all destinations.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The stamp of verdicts could not be renewed.
    #[error(transparent)]
    Stamp(#[from] StampError),
    /// Another daemon swapped meanwhile.
    #[error("generation {seen} is in force, not {expected}: another daemon uses these pins")]
    Overtaken {
        /// What the kernel says.
        seen: u64,
        /// What this daemon put into force last.
        expected: u64,
    },
}

/// Names the table in an error.
fn of(table: &'static str) -> impl Fn(MapError) -> SwapError {
    move |source| match is_full(&source) {
        true => SwapError::Full { table, source },
        false => SwapError::Write { table, source },
    }
}

/// Whether the kernel has no place for an entry: tables and arrays answer so in one way, tries in another.
fn is_full(fault: &MapError) -> bool {
    let errno = match fault {
        MapError::SyscallError(fault) => fault.io_error.raw_os_error(),
        MapError::IoError(fault) => fault.raw_os_error(),
        MapError::OutOfBounds { .. } => return true,
        _ => None,
    };
    [Errno::TOOBIG, Errno::NOSPC]
        .into_iter()
        .any(|full| errno == Some(full.raw_os_error()))
}

/// Flags of a trie, which must not be preallocated (`BPF_F_NO_PREALLOC`, linux/bpf.h).
const NO_PREALLOC: u32 = 1;

/// Number of the generation in force; 0 where there is none. Behind a trial whose time is over it is the one
/// before, as for every packet.
///
/// # Errors
/// The map is not there, or has another layout than this version knows.
pub fn current(pinned: Pinned<'_>) -> Result<u64, SwapError> {
    let number = pinned.generation()?.get(&0, 0).map_err(of("generations"))?;
    layout::known(pinned)?;
    Ok(trial::known(pinned)?.in_force(number, boot_ms))
}

/// The same, where an upgrade has not put one into force yet by the maps of before.
///
/// # Errors
/// As [`current`].
pub fn enforced(pinned: Pinned<'_>) -> Result<u64, SwapError> {
    match current(pinned)? {
        0 if aside::is_there(pinned.0) => current(Pinned(&aside::folder(pinned.0))),
        number => Ok(number),
    }
}

/// A generation to put into force.
#[derive(Clone, Copy)]
pub struct Next<'a> {
    /// The generation.
    pub generation: &'a Generation,
    /// Its number, of another parity than the one in force.
    pub number: u64,
    /// The number in force, or 0.
    pub before: u64,
    /// How many patterns have ids.
    pub patterns_given: u32,
    /// LAN interfaces that are there, and their indices.
    pub interfaces: &'a [(String, u32)],
    /// When `before` holds again, in boot-time ms, unless this one is confirmed; nothing where it holds for good.
    pub until_ms: Option<u64>,
}

/// Puts a generation into force.
///
/// # Errors
/// A table could not be written, or another generation than `before` is in force; what is in force
/// stays.
pub fn swap(pinned: Pinned<'_>, next: Next<'_>) -> Result<(), SwapError> {
    let Next {
        generation,
        number,
        before,
        patterns_given,
        interfaces,
        until_ms,
    } = next;
    let seen = current(pinned)?;
    if seen != before {
        let expected = before;
        return Err(SwapError::Overtaken { seen, expected });
    }
    let half = half(number);
    fill_arrays(pinned, half, generation, patterns_given)?;
    fill_places(pinned, number, &generation.membership, interfaces)?;
    fill_machines(pinned, half, &generation.membership)?;
    fill_steered(pinned, half, &generation.steered)?;
    let mut by_half = pinned.clients()?;
    let clients = clients(&generation.membership)?;
    fill_maps_of_maps(pinned, half, generation, (&mut by_half, &clients))?;
    let on_trial = until_ms.map(|until_ms| Trial {
        number,
        back: before,
        until_ms,
    });
    if let Some(trial) = on_trial {
        trial::note(pinned, trial)?;
    }
    stamp::renew(pinned, half)?;
    let mut in_force = pinned.generation()?;
    in_force.set(0, &number, 0).map_err(of("generations"))?;
    if on_trial.is_none() {
        trial::note(pinned, Trial::default())?;
    }
    wait_for_packets(&mut by_half, half, &clients)
}

/// Fills the maps that hold maps. After a change of one the kernel waits for all running programs, so they are
/// changed at the same time.
fn fill_maps_of_maps(
    pinned: Pinned<'_>,
    half: u32,
    generation: &Generation,
    (by_half, clients): (&mut ArrayOfMaps<MapData, ClientTrie>, &ClientTrie),
) -> Result<(), SwapError> {
    let tables = thread::scope(|scope| {
        let tables = [
            scope.spawn(|| by_half.set(half, clients, 0).map_err(of("clients"))),
            scope.spawn(|| fill_destinations(pinned, half, generation)),
            scope.spawn(|| fill_names(pinned, half, &generation.names)),
            scope.spawn(|| fill_heads(pinned, half, &generation.names)),
        ];
        tables.map(|table| table.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    tables.into_iter().collect()
}

fn fill_names(pinned: Pinned<'_>, half: u32, names: &Names) -> Result<(), SwapError> {
    let mut outer = pinned.names()?;
    let trie = self::names(names)?;
    outer.set(half, &trie, 0).map_err(of("names"))
}

fn fill_heads(pinned: Pinned<'_>, half: u32, names: &Names) -> Result<(), SwapError> {
    let mut outer = pinned.heads()?;
    let trie = heads(names)?;
    outer.set(half, &trie, 0).map_err(of("heads"))
}

fn half(number: u64) -> u32 {
    (number % u64::from(limits::HALVES)) as u32
}

/// Waits until no packet uses the half any more that was in force before.
///
/// The kernel waits for all running programs after it changed a map of maps
/// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c), so an entry is set to what it is.
fn wait_for_packets(
    outer: &mut ArrayOfMaps<MapData, ClientTrie>,
    half: u32,
    clients: &ClientTrie,
) -> Result<(), SwapError> {
    outer.set(half, clients, 0).map_err(of("clients"))
}

fn fill_arrays(
    pinned: Pinned<'_>,
    half: u32,
    generation: &Generation,
    patterns_given: u32,
) -> Result<(), SwapError> {
    let settings = &generation.settings;
    pinned
        .settings()?
        .set(half, settings, 0)
        .map_err(of("settings"))?;
    let mut rulesets = pinned.rulesets()?;
    for (i, ruleset) in (0..).zip(&generation.rulesets) {
        let place = half * limits::RULESETS + i;
        rulesets.set(place, ruleset, 0).map_err(of("rulesets"))?;
    }
    let mut groups = pinned.groups()?;
    for (i, group) in (0..).zip(&generation.groups) {
        let place = half * limits::GROUPS as u32 + i;
        groups
            .set(place, &group.policy.to_value(), 0)
            .map_err(of("groups"))?;
    }
    // Patterns that this generation does not know have the empty ruleset.
    let mut of_pattern = vec![0; patterns_given as usize + 1];
    for (id, ruleset) in generation.taught_by() {
        if let Some(place) = of_pattern.get_mut(id as usize) {
            *place = ruleset;
        }
    }
    let mut patterns = pinned.patterns()?;
    for (id, ruleset) in (0..).zip(&of_pattern) {
        let place = half * limits::PATTERNS + id;
        patterns.set(place, ruleset, 0).map_err(of("patterns"))?;
    }
    Ok(())
}

/// IPv4 addresses stand below `::ffff:0:0/96` in the tries. This entry ends their lookups there, so
/// that a prefix of IPv6 such as `::/0` says nothing of IPv4.
fn all_of_ipv4() -> AddrKey {
    trie_key(IpNet::V4(Ipv4Net::default()))
}

/// Notes the zones of interfaces for the generation `number`; interfaces that are not named any more are
/// forgotten.
///
/// # Errors
/// The table could not be written.
pub fn fill_places(
    pinned: Pinned<'_>,
    number: u64,
    membership: &Membership,
    interfaces: &[(String, u32)],
) -> Result<(), SwapError> {
    const TABLE: &str = "places";
    let of_generation = half(number);
    let half = of_generation as u16;
    let mut map = pinned.places()?;
    let mut wanted = HashMap::new();
    for (name, interface) in interfaces {
        let vlans = membership.vlans();
        for vlan in vlans.into_iter().chain([ANY_VLAN]) {
            let zone = membership.zone(Some(name), vlan);
            let key = PlaceKey {
                interface: *interface,
                vlan,
                half,
            };
            wanted.insert(key, zone);
        }
    }
    for key in map
        .keys()
        .collect::<Result<Vec<_>, _>>()
        .map_err(of(TABLE))?
    {
        if key.half == half && !wanted.contains_key(&key) {
            map.remove(&key).map_err(of(TABLE))?;
        }
    }
    for (key, zone) in wanted {
        map.insert(&key, &zone, 0).map_err(of(TABLE))?;
    }
    Ok(stamp::renew(pinned, of_generation)?)
}

fn fill_machines(pinned: Pinned<'_>, half: u32, membership: &Membership) -> Result<(), SwapError> {
    const TABLE: &str = "machines";
    let half = half as u16;
    let mut map = pinned.machines()?;
    for key in map
        .keys()
        .collect::<Result<Vec<_>, _>>()
        .map_err(of(TABLE))?
    {
        if key.half == half && !membership.machines.contains_key(&(key.zone, key.mac)) {
            map.remove(&key).map_err(of(TABLE))?;
        }
    }
    for ((zone, mac), own) in &membership.machines {
        let key = MachineKey {
            mac: *mac,
            half,
            zone: *zone,
        };
        map.insert(&key, own, 0).map_err(of(TABLE))?;
    }
    Ok(())
}

fn fill_steered(pinned: Pinned<'_>, half: u32, steered: &Steered) -> Result<(), SwapError> {
    const TABLE: &str = "steerings";
    if !steered.steers() {
        // Then no packet asks.
        return Ok(());
    }
    let mut map = pinned.steerings()?;
    for (i, steering) in (0..).zip(&steered.steerings) {
        let place = half * limits::STEERINGS + i;
        map.set(place, steering, 0).map_err(of(TABLE))?;
    }
    let mut map = pinned.steered()?;
    let nobody = [0; limits::GROUPS];
    for set in 0..limits::SETS {
        let wanted = steered.of_set.get(&(set as u16)).unwrap_or(&nobody);
        let place = half * limits::SETS + set;
        if map.get(&place, 0).map_err(of(TABLE))? != *wanted {
            map.set(place, wanted, 0).map_err(of(TABLE))?;
        }
    }
    Ok(())
}

fn clients(membership: &Membership) -> Result<ClientTrie, SwapError> {
    const TABLE: &str = "clients";
    let mut trie = ClientTrie::create(limits::CLIENTS, NO_PREALLOC).map_err(of(TABLE))?;
    let mut insert = |zone: u32, prefix: IpNet, value: u64| {
        let key = client_key(zone, prefix);
        let [a, b, c, d] = key.addr.words();
        let key = ClientTrieKey::new(key.bits, [key.zone, a, b, c, d]);
        trie.insert(&key, &value, 0).map_err(of(TABLE))
    };
    let zones: BTreeSet<u32> = membership.clients.keys().map(|(zone, _)| *zone).collect();
    for zone in zones {
        insert(zone, IpNet::V4(Ipv4Net::default()), 0)?;
    }
    for ((zone, prefix), group) in &membership.clients {
        // 0 is no group.
        insert(*zone, *prefix, u64::from(*group) + 1)?;
    }
    Ok(trie)
}

/// Fills the table that the generation has; of the other one nothing stays of the half's generation before.
fn fill_destinations(
    pinned: Pinned<'_>,
    half: u32,
    generation: &Generation,
) -> Result<(), SwapError> {
    const TABLE: &str = "destinations";
    let (places, mut tries) = (pinned.flat()?, pinned.destinations()?);
    if generation.settings.features & feature::FLAT == 0 {
        let trie = destinations(&generation.destinations).map_err(of(TABLE))?;
        tries.set(half, &trie, 0).map_err(of(TABLE))?;
        return places.leave(half).map_err(of(TABLE));
    }
    // Where groups are told apart by more than addresses, the trie of clients is asked.
    let clients = generation.membership.clients.iter();
    let everywhere = clients.filter(|((zone, _), _)| *zone == 0);
    // 0 is no group.
    let numbered = everywhere.map(|((_, prefix), group)| (prefix, group + 1));
    let table = Table::of(&generation.destinations, numbered)?;
    places.fill(half, table.pages()).map_err(of(TABLE))?;
    // An empty one holds what ends the lookups of IPv4. To look into it takes CAP_SYS_ADMIN.
    let before = tries.get(&half, 0);
    if !before.is_ok_and(|trie| trie.keys().nth(1).is_none()) {
        let empty = destinations([]).map_err(of(TABLE))?;
        tries.set(half, &empty, 0).map_err(of(TABLE))?;
    }
    Ok(())
}

fn destinations<'a>(
    destinations: impl IntoIterator<Item = (&'a IpNet, &'a Destination)>,
) -> Result<AddrTrie, MapError> {
    let mut trie = AddrTrie::create(limits::DESTINATIONS, NO_PREALLOC)?;
    let nothing = Destination::default().to_value();
    trie.insert(&all_of_ipv4(), &nothing, 0)?;
    for (prefix, destination) in destinations {
        trie.insert(&trie_key(*prefix), &destination.to_value(), 0)?;
    }
    Ok(trie)
}

fn names(names: &Names) -> Result<NameTrie, SwapError> {
    const TABLE: &str = "names";
    let mut trie = NameTrie::create(limits::PATTERNS, NO_PREALLOC).map_err(of(TABLE))?;
    for (key, listed) in &names.listed {
        let key = NameTrieKey::new(key.len as u32 * 8, key.bytes);
        trie.insert(&key, &listed.to_value(), 0)
            .map_err(of(TABLE))?;
    }
    Ok(trie)
}

fn heads(names: &Names) -> Result<NameTrie, SwapError> {
    const TABLE: &str = "heads";
    let mut trie = NameTrie::create(limits::HEADS, NO_PREALLOC).map_err(of(TABLE))?;
    for ((list, head), headed) in &names.heads {
        let front = list.to_be_bytes().into_iter();
        let mut bytes = [0; NAME_KEY_BYTES];
        for (to, from) in bytes.iter_mut().zip(front.chain(head.bytes())) {
            *to = from;
        }
        let bits = u32::BITS + 8 * head.len() as u32;
        let key = NameTrieKey::new(bits, bytes);
        trie.insert(&key, &headed.to_value(), 0)
            .map_err(of(TABLE))?;
    }
    Ok(trie)
}

fn trie_key(prefix: IpNet) -> AddrKey {
    let key = prefix_key(prefix);
    AddrKey::new(key.bits, key.addr)
}

/// Says what was taught of an address, whatever was before.
///
/// # Errors
/// The map is not there, or the kernel refused.
pub fn teach(pinned: Pinned<'_>, key: LearnedKey, learned: Learned) -> Result<(), SwapError> {
    let mut map = pinned.learned()?;
    map.insert(&key, &learned, 0)
        .map_err(of("learned addresses"))?;
    Ok(stamp::renew_all(pinned)?)
}

/// Says until when a connection is admitted, whatever was before; `until` is the word of a slot.
///
/// # Errors
/// The map is not there, or the kernel refused.
pub fn admit(pinned: Pinned<'_>, flow: FlowKey, until: u64) -> Result<(), SwapError> {
    let mut map = pinned.flows()?;
    map.insert(&flow, &until, 0).map_err(of("connections"))?;
    Ok(stamp::renew_all(pinned)?)
}
