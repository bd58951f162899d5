//! Addresses learned from DNS answers.
//!
//! One address may be taught by several patterns (shared CDNs), so it has several slots, each with
//! its own expiry. A slot is one word, changed by compare-exchange only: no answer handled on
//! two CPUs at once loses its teaching.

use crate::{
    flow::Addr,
    limits::TEACHERS,
    opaque::opaque,
    rule::{Match, Misses},
};

/// An address, and whom it was taught for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LearnedKey {
    /// The address.
    pub addr: Addr,
    /// The client that asked for it, or [`EVERYBODY`].
    pub client: Addr,
}

const _: () = assert!(size_of::<LearnedKey>() == 32);

/// In place of a client where an address was taught for the whole policy; no client has it.
pub const EVERYBODY: Addr = Addr::v6([[0; 4]; 4]);

impl LearnedKey {
    /// An address that was taught for the whole policy.
    #[inline(always)]
    pub fn for_all(addr: Addr) -> Self {
        Self {
            addr,
            client: EVERYBODY.whole(),
        }
    }

    /// Under what an address stands for a client. Where the scope changes, what was learned before does not
    /// count any more, and counts again if it changes back in time.
    #[inline(always)]
    pub fn of(addr: Addr, client: Addr, scope: Scope) -> Self {
        match scope {
            Scope::Policy => Self::for_all(addr),
            Scope::Client => Self { addr, client },
        }
    }
}

/// Whom an answer teaches for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Everybody whom the policy allows the name.
    #[default]
    Policy,
    /// The client that asked.
    Client,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 2] = [Self::Policy, Self::Client];

    /// The name in the config.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Client => "client",
        }
    }
}

/// The slots of one address, and how it is used.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Learned {
    /// [`Slot`]s as words; 0 is an empty one.
    pub slots: [u64; TEACHERS],
    /// When it was first taught, in ms of the boot-time clock.
    pub first_ms: u64,
    /// When it was last taught, or last carried a connection's packet, to about a second.
    pub last_ms: u64,
    /// Connections that it admitted.
    pub hits: u64,
}

const _: () = assert!(size_of::<Learned>() == 8 * (TEACHERS + 3));

impl Learned {
    /// Taught by nobody.
    pub const EMPTY: Self = Self {
        slots: [0; TEACHERS],
        first_ms: 0,
        last_ms: 0,
        hits: 0,
    };

    /// With its first teaching.
    #[inline(always)]
    pub fn first(slot: Slot, now_ms: u64) -> Self {
        // For a zero that it knows LLVM calls a function, which takes time and place on the kernel's stack.
        let mut slots = [opaque(0); TEACHERS];
        slots[0] = slot.to_word();
        Self {
            slots,
            first_ms: now_ms,
            last_ms: now_ms,
            hits: 0,
        }
    }

    /// Its teachings.
    pub fn teachings(&self) -> impl Iterator<Item = Slot> {
        self.slots.into_iter().filter_map(Slot::from_word)
    }
}

/// One teaching: which pattern, until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Id of the pattern, stable across generations; never 0.
    pub pattern: u32,
    /// End of the teaching in ms of the boot-time clock (`CLOCK_BOOTTIME`), below 2^40.
    pub expires_ms: u64,
}

/// Bits of the expiry; 2^40 ms are 34 years since boot.
const EXPIRY_BITS: u32 = 40;
const EXPIRY_MASK: u64 = (1 << EXPIRY_BITS) - 1;

impl Slot {
    /// From a word of the map; nothing for an empty slot.
    #[inline(always)]
    pub const fn from_word(word: u64) -> Option<Self> {
        if word == 0 {
            return None;
        }
        Some(Self {
            pattern: (word >> EXPIRY_BITS) as u32,
            expires_ms: word & EXPIRY_MASK,
        })
    }

    /// The word in the map.
    #[inline(always)]
    pub const fn to_word(self) -> u64 {
        let expires_ms = if self.expires_ms > EXPIRY_MASK {
            EXPIRY_MASK
        } else {
            self.expires_ms
        };
        (self.pattern as u64) << EXPIRY_BITS | expires_ms
    }

    /// Whether the teaching still holds.
    #[inline(always)]
    pub const fn is_valid(self, now_ms: u64) -> bool {
        self.expires_ms > now_ms
    }
}

/// What the patterns that taught an address say of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Teacher {
    /// The pattern that decides; 0 where none does.
    pub pattern: u32,
    /// What it says, or why none decides.
    pub says: Match,
}

impl Teacher {
    /// No pattern decides.
    #[inline(always)]
    pub const fn nobody(misses: Misses) -> Self {
        Self {
            pattern: 0,
            says: Match::Not(misses),
        }
    }

    /// As one number: the pattern above the code of what it says.
    #[inline(always)]
    pub const fn to_code(self) -> u64 {
        (self.pattern as u64) << 32 | self.says.to_code() as u64
    }

    /// From [`Self::to_code`].
    #[inline(always)]
    pub const fn from_code(code: u64) -> Self {
        Self {
            pattern: (code >> 32) as u32,
            says: Match::from_code(code as u32),
        }
    }
}

/// The first pattern so far that allows a flow, or what keeps all from it, as one word: a loop over patterns has
/// few places for more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found(u64);

impl Found {
    /// Nobody was asked yet.
    pub(crate) const NOBODY: Self = Self(Teacher::nobody(Misses::NONE).to_code());

    /// Whoever it was before, or else this one.
    #[inline(always)]
    pub(crate) const fn or(self, teacher: Teacher) -> Self {
        match self.is_somebody() {
            true => self,
            false => Self(teacher.to_code()),
        }
    }

    /// One more does not allow it, for these reasons.
    #[inline(always)]
    pub(crate) const fn missed(self, more: Misses) -> Self {
        match self.is_somebody() {
            true => self,
            // Codes of misses are sets of bits.
            false => Self(self.0 | Teacher::nobody(more).to_code()),
        }
    }

    /// The same, of which LLVM knows nothing.
    #[inline(always)]
    pub(crate) fn opaque(self) -> Self {
        Self(opaque(self.0))
    }

    /// What came out.
    #[inline(always)]
    pub(crate) const fn teacher(self) -> Teacher {
        Teacher::from_code(self.0)
    }

    #[inline(always)]
    const fn is_somebody(self) -> bool {
        self.0 >> 32 != 0
    }
}

/// Slots to read.
pub trait Slots {
    /// The word at place `i`; 0 for a place beyond [`TEACHERS`].
    fn load(&self, i: usize) -> u64;
}

impl Slots for Learned {
    fn load(&self, i: usize) -> u64 {
        self.slots.get(i).copied().unwrap_or(0)
    }
}

/// Slots that several CPUs change at once.
pub trait SharedSlots: Slots {
    /// Puts `new` at place `i` if `old` still stands there; tells whether it did.
    fn exchange(&self, i: usize, old: u64, new: u64) -> bool;
}

/// What became of a teaching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taught {
    /// It stands in a slot.
    Kept,
    /// It stands in a slot whose still valid teaching ended first and had to leave.
    Displaced,
    /// Other CPUs changed the slots in every attempt.
    Contended,
}

/// Attempts before a teaching is given up to other CPUs.
const ATTEMPTS: usize = 4;

/// Writes a teaching into its pattern's slot, else into an empty or expired one, else into the
/// one that would end first. An expiry is only ever moved later.
#[inline(always)]
pub fn teach<S: SharedSlots + ?Sized>(slots: &S, new: Slot, now_ms: u64) -> Taught {
    for _ in 0..ATTEMPTS {
        let (place, old) = place(slots, new.pattern);
        let displaced = match Slot::from_word(old) {
            Some(slot) if slot.pattern == new.pattern => {
                if slot.expires_ms >= new.expires_ms {
                    return Taught::Kept;
                }
                false
            }
            Some(slot) => slot.is_valid(now_ms),
            None => false,
        };
        if slots.exchange(place, old, new.to_word()) {
            return if displaced {
                Taught::Displaced
            } else {
                Taught::Kept
            };
        }
    }
    Taught::Contended
}

/// The pattern's own slot, else the one with the earliest end; an empty one ends first of all.
#[inline(always)]
fn place<S: Slots + ?Sized>(slots: &S, pattern: u32) -> (usize, u64) {
    let mut place = 0;
    let mut word = slots.load(0);
    for i in 0..TEACHERS {
        let candidate = slots.load(i);
        if candidate >> EXPIRY_BITS == u64::from(pattern) {
            return (i, candidate);
        }
        if candidate & EXPIRY_MASK < word & EXPIRY_MASK {
            place = i;
            word = candidate;
        }
    }
    (place, word)
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Atomic([AtomicU64; TEACHERS]);

    impl Atomic {
        fn new() -> Self {
            Self(core::array::from_fn(|_| AtomicU64::new(0)))
        }

        fn valid(&self, now_ms: u64) -> Vec<u32> {
            let slots = self
                .0
                .iter()
                .filter_map(|w| Slot::from_word(w.load(Ordering::Relaxed)));
            let mut patterns: Vec<u32> = slots
                .filter(|s| s.is_valid(now_ms))
                .map(|s| s.pattern)
                .collect();
            patterns.sort_unstable();
            patterns
        }
    }

    impl Slots for Atomic {
        fn load(&self, i: usize) -> u64 {
            self.0[i].load(Ordering::Relaxed)
        }
    }

    impl SharedSlots for Atomic {
        fn exchange(&self, i: usize, old: u64, new: u64) -> bool {
            self.0[i]
                .compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        }
    }

    fn slot(pattern: u32, expires_ms: u64) -> Slot {
        Slot {
            pattern,
            expires_ms,
        }
    }

    #[test]
    fn the_first_that_allows_is_found_or_what_keeps_all_from_it() {
        let teacher = |pattern, set| Teacher {
            pattern,
            says: Match::Set(set),
        };
        let misses = Misses::PORT.and(Misses::EXPIRED);
        let found = Found::NOBODY.missed(Misses::PORT).missed(Misses::EXPIRED);
        for (found, expected) in [
            (Found::NOBODY, Teacher::nobody(Misses::NONE)),
            (found, Teacher::nobody(misses)),
            (found.or(teacher(7, 0)), teacher(7, 0)),
            (found.or(teacher(7, 0)).or(teacher(8, 9)), teacher(7, 0)),
            (
                found
                    .or(teacher(u32::MAX, u16::MAX))
                    .missed(Misses::PROTOCOL),
                teacher(u32::MAX, u16::MAX),
            ),
        ] {
            assert_eq!(found.teacher(), expected);
        }
    }

    #[test]
    fn words_hold_pattern_and_expiry() {
        for s in [
            slot(1, 1),
            slot(0xff_ffff, EXPIRY_MASK),
            slot(65_535, 123_456_789),
        ] {
            assert_eq!(Slot::from_word(s.to_word()), Some(s));
        }
        assert_eq!(Slot::from_word(0), None);
        let never = Slot::from_word(slot(7, u64::MAX).to_word()).unwrap();
        assert_eq!(never, slot(7, EXPIRY_MASK), "too late is as late as can be");
    }

    #[test]
    fn each_teacher_keeps_its_own_expiry() {
        let slots = Atomic::new();
        assert_eq!(teach(&slots, slot(1, 100), 0), Taught::Kept);
        assert_eq!(teach(&slots, slot(2, 500), 0), Taught::Kept);
        assert_eq!(
            teach(&slots, slot(1, 50), 0),
            Taught::Kept,
            "an expiry never moves earlier"
        );
        assert_eq!(slots.valid(99), [1, 2]);
        assert_eq!(slots.valid(100), [2]);
        assert_eq!(teach(&slots, slot(1, 700), 200), Taught::Kept);
        assert_eq!(slots.valid(600), [1]);
    }

    #[test]
    fn a_full_address_gives_up_what_ends_first() {
        let slots = Atomic::new();
        for pattern in 1..=TEACHERS as u32 {
            assert_eq!(
                teach(&slots, slot(pattern, 1000 + u64::from(pattern)), 0),
                Taught::Kept
            );
        }
        assert_eq!(teach(&slots, slot(99, 5000), 0), Taught::Displaced);
        assert_eq!(slots.valid(0), [2, 3, 4, 5, 6, 7, 8, 99]);
        assert_eq!(
            teach(&slots, slot(100, 5000), 4000),
            Taught::Kept,
            "the rest has expired"
        );
        assert_eq!(slots.valid(4000), [99, 100]);
    }

    #[test]
    fn teachings_on_several_cpus_at_once_are_all_kept() {
        let slots = Atomic::new();
        std::thread::scope(|scope| {
            for pattern in 1..=4 {
                let slots = &slots;
                scope.spawn(move || {
                    for expires in 1..2000 {
                        while teach(slots, slot(pattern, expires), 0) == Taught::Contended {}
                    }
                });
            }
        });
        assert_eq!(slots.valid(1998), [1, 2, 3, 4]);
    }
}
