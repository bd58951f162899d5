//! What was seen of datagrams in fragments, in the map.

use core::ptr;

use egress_common::{
    fragment::{self, DatagramKey, Note, POISONED, Seen},
    parse::Datagram,
    verdict::{Reason, Verdict},
};

use crate::{
    maps::{FRAGMENTS, NO_EXIST},
    tables::now_ms,
    word,
};

/// Attempts before a fragment is given up to other CPUs, which change the same datagram.
const ATTEMPTS: usize = 3;

/// What holds for a fragment that was `alone` judged so. Where it `remembers`, it notes the fragment.
#[inline(always)]
pub fn follow(datagram: &Datagram, alone: Verdict, remembers: bool) -> Verdict {
    let key = DatagramKey::of(&datagram.flow, &datagram.piece);
    let now_ms = now_ms();
    for _ in 0..ATTEMPTS {
        let place = FRAGMENTS.get_ptr_mut(&key);
        let seen = place.map(load);
        let (verdict, note) = fragment::follow(seen, &datagram.piece, alone, now_ms);
        if !remembers || write(&key, place.zip(seen), note) {
            return verdict;
        }
    }
    Verdict::because(Reason::FragmentUnknown).of_group(u32::from(alone.group))
}

/// The entry as it is now; the extent is one word, which no other CPU tears.
#[inline(always)]
fn load(place: *mut Seen) -> Seen {
    // SAFETY: the entry stays readable for the program's life.
    unsafe {
        Seen {
            extent: ptr::read_volatile(&raw const (*place).extent),
            ..ptr::read(place)
        }
    }
}

/// Writes a note, unless another CPU changed the entry since it was read; tells whether it did.
#[inline(always)]
fn write(key: &DatagramKey, known: Option<(*mut Seen, Seen)>, note: Note) -> bool {
    match (note, known) {
        (Note::Nothing, _) | (Note::Extent(_), None) => true,
        (Note::Begin(begun), None) => FRAGMENTS.insert(key, &begun, NO_EXIST).is_ok(),
        // Whoever poisons the old one may begin anew.
        (Note::Begin(begun), Some((place, seen))) => {
            exchange(place, seen.extent, POISONED) && FRAGMENTS.insert(key, &begun, 0).is_ok()
        }
        (Note::Extent(extent), Some((place, seen))) => exchange(place, seen.extent, extent),
    }
}

#[inline(always)]
fn exchange(place: *mut Seen, old: u64, new: u64) -> bool {
    // SAFETY: an aligned word inside the map's value.
    unsafe { word::exchange(&raw mut (*place).extent, old, new) }
}
