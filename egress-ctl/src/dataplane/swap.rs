//! Puts a compiled generation into force, as a whole.
//!
//! The half of the tables that no packet uses is filled; then one word says that it is in force.

use aya::maps::MapError;
use egress_common::{
    flow::{Addr, FlowKey},
    learned::Learned,
    limits,
    rule::Destination,
};
use ipnet::{IpNet, Ipv4Net};

use super::maps::{AddrKey, AddrTrie, NameTrie, NameTrieKey, Pinned, PinnedError};
use crate::policy::generation::{Generation, prefix_key};

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
    move |source| SwapError::Write { table, source }
}

/// Flags of a trie, which must not be preallocated (`BPF_F_NO_PREALLOC`, linux/bpf.h).
const NO_PREALLOC: u32 = 1;

/// Number of the generation in force; 0 where there is none.
///
/// # Errors
/// The map is not there.
pub fn current(pinned: Pinned<'_>) -> Result<u64, SwapError> {
    pinned.generation()?.get(&0, 0).map_err(of("generations"))
}

/// Puts `generation` into force under `number`; `before` is the number in force, of another parity, or
/// 0. `patterns_given` is how many patterns have ids.
///
/// # Errors
/// A table could not be written, or `before` is not in force; what is in force stays.
pub fn swap(
    pinned: Pinned<'_>,
    before: u64,
    number: u64,
    generation: &Generation,
    patterns_given: u32,
) -> Result<(), SwapError> {
    let seen = current(pinned)?;
    if seen != before {
        let expected = before;
        return Err(SwapError::Overtaken { seen, expected });
    }
    wait_for_packets(pinned, before)?;
    let half = half(number);
    fill_arrays(pinned, half, generation, patterns_given)?;
    let mut outer = pinned.clients()?;
    outer
        .set(half, &clients(generation)?, 0)
        .map_err(of("clients"))?;
    let mut outer = pinned.destinations()?;
    let destinations = destinations(generation)?;
    outer
        .set(half, &destinations, 0)
        .map_err(of("destinations"))?;
    let mut outer = pinned.names()?;
    outer
        .set(half, &names(generation)?, 0)
        .map_err(of("names"))?;
    let mut in_force = pinned.generation()?;
    in_force.set(0, &number, 0).map_err(of("generations"))
}

fn half(number: u64) -> u32 {
    (number % u64::from(limits::HALVES)) as u32
}

/// Waits until no packet uses the half any more that was in force before the last swap.
///
/// The kernel waits for all running programs after it changed a map of maps
/// (`maybe_wait_bpf_programs`, kernel/bpf/syscall.c), so an entry is set to what it is.
fn wait_for_packets(pinned: Pinned<'_>, number: u64) -> Result<(), SwapError> {
    if number == 0 {
        return Ok(());
    }
    let half = half(number);
    let mut outer = pinned.clients()?;
    let inner = outer.get(&half, 0).map_err(of("clients"))?;
    outer.set(half, &inner, 0).map_err(of("clients"))
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
    // Patterns that this generation does not know have the empty ruleset.
    let mut of_pattern = vec![0; patterns_given as usize + 1];
    for pattern in &generation.patterns {
        if let Some(place) = of_pattern.get_mut(pattern.id as usize) {
            *place = pattern.ruleset;
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

fn clients(generation: &Generation) -> Result<AddrTrie, SwapError> {
    const TABLE: &str = "clients";
    let mut trie = AddrTrie::create(limits::CLIENTS, NO_PREALLOC).map_err(of(TABLE))?;
    trie.insert(&all_of_ipv4(), &0, 0).map_err(of(TABLE))?;
    for (prefix, group) in &generation.clients {
        // 0 is no group.
        let value = u64::from(*group) + 1;
        trie.insert(&trie_key(*prefix), &value, 0)
            .map_err(of(TABLE))?;
    }
    Ok(trie)
}

fn destinations(generation: &Generation) -> Result<AddrTrie, SwapError> {
    const TABLE: &str = "destinations";
    let mut trie = AddrTrie::create(limits::DESTINATIONS, NO_PREALLOC).map_err(of(TABLE))?;
    let nothing = Destination::default().to_value();
    trie.insert(&all_of_ipv4(), &nothing, 0)
        .map_err(of(TABLE))?;
    for (prefix, destination) in &generation.destinations {
        let value = destination.to_value();
        trie.insert(&trie_key(*prefix), &value, 0)
            .map_err(of(TABLE))?;
    }
    Ok(trie)
}

fn names(generation: &Generation) -> Result<NameTrie, SwapError> {
    const TABLE: &str = "names";
    let mut trie = NameTrie::create(limits::PATTERNS, NO_PREALLOC).map_err(of(TABLE))?;
    for pattern in &generation.patterns {
        let Some(key) = pattern.key() else {
            continue;
        };
        let key = NameTrieKey::new(key.len as u32 * 8, key.bytes);
        let id = u64::from(pattern.id);
        trie.insert(&key, &id, 0).map_err(of(TABLE))?;
    }
    Ok(trie)
}

fn trie_key(prefix: IpNet) -> AddrKey {
    let key = prefix_key(prefix);
    AddrKey::new(key.bits, key.addr)
}

/// Teaches an address, as a DNS answer would.
///
/// # Errors
/// The map is not there, or the kernel refused.
pub fn teach(pinned: Pinned<'_>, addr: Addr, learned: Learned) -> Result<(), SwapError> {
    let mut map = pinned.learned()?;
    map.insert(&addr, &learned, 0)
        .map_err(of("learned addresses"))
}

/// Admits a connection, as a packet to a learned address would; `until` is the word of a slot.
///
/// # Errors
/// The map is not there, or the kernel refused.
pub fn admit(pinned: Pinned<'_>, flow: FlowKey, until: u64) -> Result<(), SwapError> {
    let mut map = pinned.flows()?;
    map.insert(&flow, &until, 0).map_err(of("connections"))
}
