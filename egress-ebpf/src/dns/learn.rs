//! Addresses of an answer into the maps.

use egress_common::{
    dns::{
        Outcome,
        message::{ADDRESSES, Message},
    },
    flow::Flow,
    learned::{Learned, LearnedKey, SharedSlots, Slot, Taught, teach},
    limits::TEACHERS,
};

use super::{
    added::{dns_added, dns_room},
    lessons::{self, note_refused},
};
use crate::{
    log,
    maps::{LEARNED, NO_EXIST, REFUSED},
    stats::count_dns,
    tables::{Generation, MapSlots, now_ms},
    word,
};

/// A whole answer, and the pattern that lists its name; 0 where none does.
pub struct Lesson {
    pub message: &'static mut Message,
    pub generation: Generation,
    pub pattern: u32,
}

/// Learns every address of an answer that came in this flow, or, for a name that is not allowed, notes them as
/// refused. User space is told of it.
#[inline(always)]
pub fn teach_all(lesson: Lesson, flow: &Flow) -> Outcome {
    let pattern = lesson.pattern;
    let half = lesson.generation.half();
    let now_ms = now_ms();
    lessons::begin(lesson.message, flow, pattern);
    dns_room(lesson.message, now_ms);
    for i in 0..ADDRESSES as u32 {
        // No branch between the two: LLVM would build a loop that Linux 6.1 refuses.
        let allowed = dns_allowed(lesson.message, i, pattern, half);
        if dns_teach_step(lesson.message, allowed, pattern, half, now_ms) != 0 {
            break;
        }
    }
    dns_added(lesson.message, now_ms);
    let outcome = if pattern == 0 {
        Outcome::NameNotListed
    } else {
        Outcome::Learned
    };
    lessons::tell(lesson.message, outcome);
    outcome
}

/// In place of an address that may not be learned.
const REFUSED_ADDRESS: u32 = u32::MAX;

/// `i`, or [`REFUSED_ADDRESS`] where address `i` of a listed name may not be learned; then it is counted.
/// A step of its own: the one that learns has no place left on the stack.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_allowed(message: *mut Message, i: u32, pattern: u32, half: u32) -> u32 {
    if pattern == 0 {
        return i;
    }
    // SAFETY: null, or the one message of this CPU.
    let Some(found) = (unsafe { message.as_ref() }).and_then(|read| read.found(i)) else {
        return i;
    };
    let addr = found.addr;
    if !Generation::of_half(half).covers(&addr).refuses(&addr) {
        return i;
    }
    count_dns(Outcome::AddressRefused);
    log::address_untaught(Outcome::AddressRefused);
    // SAFETY: it is not null, and of this CPU; nothing of it is read any more.
    unsafe { note_refused(message) };
    REFUSED_ADDRESS
}

/// Learns address `i`; 0 while there are more.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_teach_step(
    message: *mut Message,
    i: u32,
    pattern: u32,
    half: u32,
    now_ms: u64,
) -> u32 {
    if i == REFUSED_ADDRESS {
        return 0;
    }
    // SAFETY: null, or the one message of this CPU.
    let Some(read) = (unsafe { message.as_ref() }) else {
        return 1;
    };
    let generation = Generation::of_half(half);
    let (Some(found), Some(settings)) = (read.found(i), generation.settings()) else {
        return 1;
    };
    let (said, ttl) = (found.ttl, settings.ttl(found.ttl));
    let expires_ms = now_ms + settings.taught_ms(ttl);
    // On the stack: Linux 6.1 refuses a map key behind a global function's pointer.
    let addr = found.addr;
    if pattern == 0 {
        let _: Result<(), i32> = REFUSED.insert(&addr, &expires_ms, 0);
    } else {
        if ttl != said {
            count_dns(Outcome::TtlClamped);
        }
        let slot = Slot {
            pattern,
            expires_ms,
        };
        let key = generation.learned_key(addr, read.client());
        // SAFETY: it is not null, and of this CPU; nothing else of it is read any more.
        let may_add = || unsafe { (*message).take_room() };
        if let Err(outcome) = learn(&key, slot, now_ms, may_add) {
            count_dns(outcome);
            log::address_untaught(outcome);
        }
    }
    0
}

/// Learns an address; one that is new if it may be added.
///
/// # Errors
/// What became of it that is worth a count.
#[inline(always)]
fn learn(
    key: &LearnedKey,
    slot: Slot,
    now_ms: u64,
    may_add: impl FnOnce() -> bool,
) -> Result<(), Outcome> {
    let mut known = MapSlots::of(key);
    if known.is_none() {
        if !may_add() {
            return Err(Outcome::NewShareExceeded);
        }
        let first = Learned::first(slot, now_ms);
        if LEARNED.insert(key, &first, NO_EXIST).is_ok() {
            return Ok(());
        }
        // Another CPU was first, or the map is full.
        known = MapSlots::of(key);
    }
    match known {
        Some(known) => teach_known(key, known, slot, now_ms),
        None => Err(Outcome::NoPlace),
    }
}

/// Teaches an address that the map holds. A full map may give the entry to another address meanwhile,
/// which must not inherit the teaching.
#[inline(always)]
fn teach_known(key: &LearnedKey, slots: &MapSlots, slot: Slot, now_ms: u64) -> Result<(), Outcome> {
    let taught = teach(slots, slot, now_ms);
    slots.note_use(0, now_ms);
    if MapSlots::of(key).is_some_and(|now| core::ptr::eq(now, slots)) {
        return match taught {
            Taught::Kept => Ok(()),
            Taught::Displaced => Err(Outcome::TeacherDisplaced),
            Taught::Contended => Err(Outcome::NoPlace),
        };
    }
    for i in 0..TEACHERS {
        slots.exchange(i, slot.to_word(), 0);
    }
    Err(Outcome::NoPlace)
}

impl SharedSlots for MapSlots {
    #[inline(always)]
    fn exchange(&self, i: usize, old: u64, new: u64) -> bool {
        let Some(place) = self.place(i) else {
            return false;
        };
        // SAFETY: an aligned word inside the map's value.
        unsafe { word::exchange(place, old, new) }
    }
}
