//! The judge's tables on the kernel's maps.

use core::{
    ffi::c_void,
    intrinsics::{AtomicOrdering, atomic_xadd},
    ptr,
};

use aya_ebpf::helpers::{bpf_ktime_get_boot_ns, bpf_map_lookup_elem};
use egress_common::{
    dns::message::Message,
    flow::{Addr, Flow},
    heads::{Headed, Listed},
    judge::{Tables, by_teachers},
    learned::{Learned, LearnedKey, Scope, Slots, Teacher},
    limits::{self, TEACHERS},
    rule::{
        ANY_VLAN, ClientKey, Destination, GroupPolicy, MachineKey, Match, Misses, PlaceKey,
        Ruleset, Settings, feature,
    },
    steer::Steering,
    verdict::{Mode, Verdict},
};

use crate::destination::client_in_pages;
use crate::dns::pattern_of;
use crate::maps::{
    CLIENTS, CLOCK, FLOWS, GENERATION, GROUPS, HEADS, LEARNED, MACHINES, NAMES, PATTERNS, PLACES,
    REFUSED, RULESETS, SEED, SETTINGS, STEERED, STEERINGS, TRIAL,
};

/// The generation in force, as one packet sees it.
#[derive(Clone, Copy)]
pub struct Generation {
    half: u32,
    number: u64,
}

impl Generation {
    /// The generation whose number is set now; none before the first.
    #[inline(always)]
    pub fn current() -> Option<Self> {
        // SAFETY: the slot exists for the program's life; the number is one aligned word.
        let number = unsafe { ptr::read_volatile(GENERATION.get_ptr(0)?) };
        if number == 0 {
            return None;
        }
        let number = TRIAL.get(0)?.in_force(number, now_ms);
        let half = (number % u64::from(limits::HALVES)) as u32;
        Some(Self { half, number })
    }

    /// Its number; 0 where only its half is known.
    #[inline(always)]
    pub fn number(self) -> u64 {
        self.number
    }

    /// The half of the tables that it is in.
    #[inline(always)]
    pub fn half(self) -> u32 {
        self.half
    }

    /// The generation in a half.
    #[inline(always)]
    pub fn of_half(half: u32) -> Self {
        Self {
            half: half % limits::HALVES,
            number: 0,
        }
    }

    /// Mode and TTL bounds.
    #[inline(always)]
    pub fn settings(self) -> Option<&'static Settings> {
        SETTINGS.get(self.half)
    }

    /// What holds for packets of no group.
    #[inline(always)]
    pub fn everybody(self) -> GroupPolicy {
        match self.settings() {
            Some(settings) => GroupPolicy {
                mode: Mode::from_number(settings.mode),
                ..GroupPolicy::NONE
            },
            None => GroupPolicy::NONE,
        }
    }

    /// Whether it makes use of any of these features.
    #[inline(always)]
    pub fn has(self, features: u32) -> bool {
        match self.settings() {
            Some(settings) => settings.features & features != 0,
            None => false,
        }
    }

    /// Under what an address stands that was taught for a client.
    #[inline(always)]
    pub fn learned_key(self, addr: Addr, client: Addr) -> LearnedKey {
        let scope = self.settings().map_or(Scope::Policy, Settings::scope);
        LearnedKey::of(addr, client, scope)
    }

    /// Whether some group may ask for its own names only.
    #[inline(always)]
    pub fn is_strict(self) -> bool {
        self.has(feature::STRICT_DNS)
    }

    /// How packets with this verdict are steered; nothing where none is.
    #[inline(always)]
    pub fn steering(self, verdict: Verdict) -> Option<Steering> {
        if !self.has(feature::STEERS) {
            return None;
        }
        Some(self.steering_of(verdict).unwrap_or(Steering::NONE))
    }

    #[inline(always)]
    fn steering_of(self, verdict: Verdict) -> Option<Steering> {
        if !verdict.reason.passes() || u32::from(verdict.set) >= limits::SETS {
            return None;
        }
        let numbers = STEERED.get(self.half * limits::SETS + u32::from(verdict.set))?;
        let group = usize::from(verdict.group) & (limits::GROUPS - 1);
        let number = u32::from(*numbers.get(group)?);
        if number == 0 {
            return None;
        }
        STEERINGS
            .get(self.half * limits::STEERINGS + number)
            .copied()
    }

    /// Zone of where a packet came from; 0 is everywhere else.
    #[inline(always)]
    fn zone(self, flow: &Flow) -> Option<u32> {
        let features = self.settings()?.features;
        let mut zone = 0;
        if features & feature::PLACES != 0 {
            zone = self.place(flow.interface, flow.vlan);
        }
        if features & feature::MACHINES != 0 {
            let key = MachineKey {
                mac: flow.mac,
                half: self.half as u16,
                zone,
            };
            if let Some(own) = MACHINES.get_ptr(&key) {
                // SAFETY: one aligned word of an entry that stays readable for the program's life.
                zone = unsafe { ptr::read_volatile(own) };
            }
        }
        Some(zone)
    }

    /// Zone of a VLAN of an interface, or else of the interface.
    #[inline(always)]
    fn place(self, interface: u32, vlan: u16) -> u32 {
        let mut key = PlaceKey {
            interface,
            vlan,
            half: self.half as u16,
        };
        let mut zone = PLACES.get_ptr(&key);
        if zone.is_none() {
            key.vlan = ANY_VLAN;
            zone = PLACES.get_ptr(&key);
        }
        match zone {
            // SAFETY: one aligned word of an entry that stays readable for the program's life.
            Some(zone) => unsafe { ptr::read_volatile(zone) },
            None => 0,
        }
    }

    /// Place of the ruleset of a pattern; that of a pattern which this generation does not know allows nothing.
    #[inline(always)]
    fn ruleset_of(self, pattern: u32) -> Option<u32> {
        let index = match pattern < limits::PATTERNS {
            true => *PATTERNS.get(self.half * limits::PATTERNS + pattern)?,
            false => 0,
        };
        self.ruleset(index)
    }

    /// Place of a ruleset.
    #[inline(always)]
    fn ruleset(self, index: u32) -> Option<u32> {
        (index < limits::RULESETS).then_some(self.half * limits::RULESETS + index)
    }

    /// What the longest key says that the reversed name in `key` begins with.
    ///
    /// # Safety
    /// `key` points to a key of the trie of names: 4 bytes of prefix length, then the name's bytes.
    #[inline(always)]
    pub unsafe fn listed(self, key: *const u8) -> Option<Listed> {
        let trie = ptr::from_ref(NAMES.get(self.half)?);
        // SAFETY: the caller's key is whole.
        unsafe { number(trie.cast(), key.cast()) }.map(Listed::from_value)
    }

    /// What the longest head says that the name in `key` begins with, in the list that `key` names.
    ///
    /// # Safety
    /// `key` points to a key of the trie of heads: 4 bytes of prefix length, the list, the name's bytes.
    #[inline(always)]
    pub unsafe fn headed(self, key: *const u8) -> Option<Headed> {
        let trie = ptr::from_ref(HEADS.get(self.half)?);
        // SAFETY: the caller's key is whole.
        unsafe { number(trie.cast(), key.cast()) }.map(Headed::from_value)
    }
}

impl Tables for Generation {
    type Learned = MapSlots;

    #[inline(always)]
    fn group(&self, flow: &Flow) -> Option<u32> {
        let [first, second] = flow.src.whole().halves();
        let places = feature::PLACES | feature::MACHINES;
        if self.settings()?.features & (feature::FLAT | places) == feature::FLAT {
            // 0 is no group.
            return client_in_pages(first, second, self.half).checked_sub(1);
        }
        // 0 is no group.
        client_number(self.zone(flow)?, first, second, self.half).checked_sub(1)
    }

    #[inline(always)]
    fn policy(&self, group: u32) -> Option<GroupPolicy> {
        if group >= limits::GROUPS as u32 {
            return None;
        }
        let value = GROUPS.get(self.half * limits::GROUPS as u32 + group)?;
        Some(GroupPolicy::from_value(*value))
    }

    #[inline(always)]
    fn denies_names(&self) -> bool {
        self.has(feature::DENIED_NAMES)
    }

    #[inline(always)]
    fn destination(&self, addr: &Addr) -> Destination {
        self.covering(addr)
    }

    #[inline(always)]
    fn resolver(&self, addr: &Addr) -> Destination {
        self.covers(addr)
    }

    #[inline(always)]
    fn decide(&self, index: u32, flow: &Flow, group: u32) -> Option<Match> {
        let ruleset = self.ruleset(index)?;
        Some(ruleset_says(ruleset, flow, group))
    }

    #[inline(always)]
    fn decide_taught(&self, pattern: u32, flow: &Flow, group: u32) -> Match {
        match self.ruleset_of(pattern) {
            Some(ruleset) => ruleset_says(ruleset, flow, group),
            None => Match::Not(Misses::NONE),
        }
    }

    #[inline(always)]
    fn decide_learned(&self, learned: &MapSlots, flow: &Flow, group: u32, now_ms: u64) -> Teacher {
        let slots = learned.0.get().cast_const();
        Teacher::from_code(learned_decide(slots, flow, self.half, group, now_ms))
    }

    #[inline(always)]
    fn may_ask(&self, message: &mut Message, group: u32) -> bool {
        match self.ruleset_of(pattern_of(message, *self)) {
            Some(ruleset) => ruleset_asks(ruleset, group) != 0,
            None => false,
        }
    }

    #[inline(always)]
    fn learned(&self, flow: &Flow) -> Option<&MapSlots> {
        MapSlots::of(&self.learned_key(flow.dst, flow.src))
    }

    #[inline(always)]
    fn admitted(&self, flow: &Flow) -> Option<u64> {
        let until = FLOWS.get_ptr(&flow.key())?;
        // SAFETY: one aligned word of an entry that stays readable for the program's life.
        Some(unsafe { ptr::read_volatile(until) })
    }

    #[inline(always)]
    fn refused_until_ms(&self, addr: &Addr) -> Option<u64> {
        // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
        let addr = *addr;
        let until = REFUSED.get_ptr(&addr)?;
        // SAFETY: one aligned word of an entry that stays readable for the program's life.
        Some(unsafe { ptr::read_volatile(until) })
    }

    #[inline(always)]
    fn now_ms(&self) -> u64 {
        now_ms()
    }
}

/// The number of a client in the trie of a zone; 0 for none. A global function, verified once.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn client_number(zone: u32, first: u64, second: u64, half: u32) -> u32 {
    let Some(trie) = CLIENTS.get(half % limits::HALVES) else {
        return 0;
    };
    let key = ClientKey::host(zone, Addr::from_halves([first, second]));
    // SAFETY: ClientKey is the trie's key.
    let value = unsafe { number(ptr::from_ref(trie).cast(), (&raw const key).cast()) };
    value.unwrap_or(0) as u32
}

#[inline(always)]
fn ruleset_says(place: u32, flow: &Flow, group: u32) -> Match {
    Match::from_code(ruleset_decide(place, flow.proto, flow.dst_port, group))
}

/// [`Ruleset::decide`] as a global function: verified once, however many rulesets a packet asks.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn ruleset_decide(place: u32, proto: u8, port: u16, group: u32) -> u32 {
    match ruleset_at(place) {
        Some(ruleset) => ruleset.decide(proto, port, group).to_code(),
        None => Match::Not(Misses::NONE).to_code(),
    }
}

#[inline(always)]
fn ruleset_at(place: u32) -> Option<&'static Ruleset> {
    // SAFETY: rulesets of a generation in force do not change.
    unsafe { RULESETS.get_ptr(place)?.as_ref() }
}

/// [`by_teachers`] as a global function: verified once, whatever prefixes say of the address.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn learned_decide(
    slots: *const Learned,
    flow: *const Flow,
    half: u32,
    group: u32,
    now_ms: u64,
) -> u64 {
    // SAFETY: null, or slots in the map and a flow on the caller's stack.
    let told = match unsafe { (slots.cast::<MapSlots>().as_ref(), flow.as_ref()) } {
        (Some(slots), Some(flow)) => {
            by_teachers(slots, flow, group, now_ms, &Generation::of_half(half))
        }
        _ => Teacher::nobody(Misses::NONE),
    };
    told.to_code()
}

/// [`Ruleset::asks`] as a global function.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn ruleset_asks(place: u32, group: u32) -> u32 {
    match ruleset_at(place) {
        Some(ruleset) => u32::from(ruleset.asks(group)),
        None => 0,
    }
}

/// Remembers what admits a connection, and until when it may be silent. Written anew at most once a
/// second, and as a new entry: a full map may give the place of the old one to another connection. Then
/// the address notes that it is used.
#[inline(always)]
pub fn remember(flow: &Flow, admits: u64, generation: Generation) {
    const EVERY_MS: u64 = 1000;

    let key = flow.key();
    let old = FLOWS.get_ptr(&key);
    if let Some(old) = old {
        // SAFETY: one aligned word of an entry that stays readable for the program's life.
        let old = unsafe { ptr::read_volatile(old) };
        if admits.wrapping_sub(old) < EVERY_MS {
            return;
        }
    }
    if let Some(learned) = MapSlots::of(&generation.learned_key(flow.dst, flow.src)) {
        learned.note_use(u64::from(old.is_none()), now_ms());
    }
    // Without a place the connection ends with its answer.
    let _: Result<(), i32> = FLOWS.insert(&key, &admits, 0);
}

/// The boot-time clock in ms, or in a replay the capture's.
#[inline(always)]
pub fn now_ms() -> u64 {
    const NS_PER_MS: u64 = 1_000_000;
    let ahead = CLOCK.get(0).copied().unwrap_or(0);
    // SAFETY: the helper takes no arguments and reads a clock.
    ahead.wrapping_add(unsafe { bpf_ktime_get_boot_ns() / NS_PER_MS })
}

/// Whether packets come from a capture, at the pace of its clock.
#[inline(always)]
pub fn is_replay() -> bool {
    CLOCK.get(0).is_some_and(|ahead| *ahead != 0)
}

/// What hashes of names begin with.
#[inline(always)]
pub fn seed() -> u64 {
    SEED.get(0).copied().unwrap_or(0)
}

/// Slots of an address in the map, which other CPUs change meanwhile.
#[repr(transparent)]
pub struct MapSlots(core::cell::UnsafeCell<Learned>);

impl MapSlots {
    /// Those of an address, where the map holds it.
    #[inline(always)]
    pub fn of(key: &LearnedKey) -> Option<&'static Self> {
        let slots = LEARNED.get_ptr_mut(key)?;
        // SAFETY: the entry stays readable for the program's life; its words are only accessed as wholes.
        Some(unsafe { &*slots.cast::<Self>() })
    }

    /// Notes that the address was taught or carries a connection's packet, which may be the first one.
    #[inline(always)]
    pub fn note_use(&self, connections: u64, now_ms: u64) {
        let learned = self.0.get();
        // SAFETY: aligned words inside the map's value. Of two CPUs at once one says when it was last.
        unsafe {
            ptr::write_volatile(&raw mut (*learned).last_ms, now_ms);
            if connections != 0 {
                let hits = &raw mut (*learned).hits;
                let _: u64 = atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(hits, connections);
            }
        }
    }

    /// Place of a slot's word.
    #[inline(always)]
    pub fn place(&self, i: usize) -> Option<*mut u64> {
        if i >= TEACHERS {
            return None;
        }
        Some(self.0.get().cast::<u64>().wrapping_add(i))
    }
}

impl Slots for MapSlots {
    #[inline(always)]
    fn load(&self, i: usize) -> u64 {
        match self.place(i) {
            // SAFETY: inside the map's value; an aligned word is read as a whole.
            Some(place) => unsafe { ptr::read_volatile(place) },
            None => 0,
        }
    }
}

/// Looks a key up in an inner trie whose values are numbers.
///
/// # Safety
/// `trie` is a trie with 8-byte values, and `key` points to a whole key of it.
#[inline(always)]
pub unsafe fn number(trie: *const c_void, key: *const c_void) -> Option<u64> {
    // SAFETY: as the caller promises; the helper does not write through either pointer.
    let value = unsafe { bpf_map_lookup_elem(trie.cast_mut(), key) };
    if value.is_null() {
        return None;
    }
    // SAFETY: a value that is not null is an aligned word.
    Some(unsafe { ptr::read_volatile(value.cast::<u64>()) })
}
