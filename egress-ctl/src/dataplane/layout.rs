//! Which layout the pinned maps have, and whether this version of egress knows it.
//!
//! Whoever changes what a map holds, or what that means, raises [`VERSION`], and has `carried::form` say how the
//! counters of the layout before are read. The number is pinned beside the maps as `LAYOUT`, with the version of egress
//! that made them; the form of that map itself never changes. Maps without it were made before there was one.

use std::path::PathBuf;

use aya::{
    maps::{Array, MapData, MapError},
    pin::PinError,
};

use super::maps::{Pinned, PinnedError};

/// The layout of this version's maps.
pub const VERSION: u32 = 2;
/// The first one, with half as many places for reasons among the counters of verdicts.
pub const FIRST: u32 = 1;
/// Counters of verdicts that the first one had.
const FIRST_VERDICTS: u32 = 16_384;

/// What the map holds: the layout's number, and which version of egress made the maps.
pub type Note = [u8; NOTE_BYTES];
const NOTE_BYTES: usize = 32;
const NUMBER_BYTES: usize = size_of::<u32>();

/// Why maps are left alone. Programs that use them go on enforcing.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A newer version made them.
    #[error(
        "the maps pinned in {} have layout {found}, made by egress {maker}, and egress {} knows layouts {FIRST} to {VERSION}: what runs goes on enforcing; start that version or a newer one, or give up what was learned and counted by `egress-ctl detach` and start again",
        .pin_dir.display(), env!("CARGO_PKG_VERSION")
    )]
    Newer {
        /// Where.
        pin_dir: PathBuf,
        /// The number.
        found: u32,
        /// As it calls itself.
        maker: String,
    },
    /// Nobody knows which one it is.
    #[error(
        "{} does not say which layout the maps have ({why}), and egress {} knows layouts {FIRST} to {VERSION}: what runs goes on enforcing; start the version that made them, or give up what was learned and counted by `egress-ctl detach` and start again",
        .path.display(), env!("CARGO_PKG_VERSION")
    )]
    Unreadable {
        /// The pin.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The map cannot be made.
    #[error("cannot note which layout the maps have")]
    Make(#[from] MapError),
    /// Its pin cannot be made.
    #[error("cannot pin the note of which layout the maps have")]
    Pin(#[from] PinError),
}

/// The layout of the maps; none where there are none.
///
/// # Errors
/// It is none that this version knows, or nobody knows which one it is.
pub fn known(pinned: Pinned<'_>) -> Result<Option<u32>, LayoutError> {
    let unreadable = |why: String| LayoutError::Unreadable {
        path: pinned.0.join("LAYOUT"),
        why,
    };
    let note = match pinned.layout() {
        Ok(map) => map.get(&0, 0),
        Err(PinnedError::NotLoaded(_)) => return Ok(before_notes(pinned)),
        Err(fault) => return Err(unreadable(told(&fault))),
    };
    let (found, maker) = read(&note.map_err(|fault| unreadable(told(&fault)))?);
    match found {
        FIRST..=VERSION => Ok(Some(found)),
        0 => Err(unreadable("it holds no number".to_owned())),
        _ => Err(LayoutError::Newer {
            pin_dir: pinned.0.to_owned(),
            found,
            maker,
        }),
    }
}

/// Maps of before there were notes.
fn before_notes(pinned: Pinned<'_>) -> Option<u32> {
    match pinned.verdicts() {
        Ok(map) if map.len() == FIRST_VERDICTS => Some(FIRST),
        Ok(_) => Some(VERSION),
        Err(_) => None,
    }
}

/// Notes the layout of maps that were just made.
///
/// # Errors
/// The kernel refuses.
pub fn note(pinned: Pinned<'_>) -> Result<(), LayoutError> {
    if pinned.layout().is_ok() {
        return Ok(());
    }
    let mut map = Array::<MapData, Note>::create(1, 0)?;
    map.set(0, &written(VERSION, env!("CARGO_PKG_VERSION")), 0)?;
    Ok(map.pin(pinned.0.join("LAYOUT"))?)
}

/// What the map holds of a layout.
pub fn written(number: u32, maker: &str) -> Note {
    let mut note = [0; NOTE_BYTES];
    let bytes = number.to_ne_bytes().into_iter().chain(maker.bytes());
    for (to, from) in note.iter_mut().zip(bytes) {
        *to = from;
    }
    note
}

fn read(note: &Note) -> (u32, String) {
    let (number, maker) = note.split_at(NUMBER_BYTES);
    let number = number.try_into().map_or(0, u32::from_ne_bytes);
    let end = maker.iter().position(|byte| *byte == 0);
    let maker = maker.get(..end.unwrap_or(maker.len())).unwrap_or_default();
    let printed = maker.escape_ascii().to_string();
    (number, printed)
}

/// A fault and what it comes from, in a line.
fn told(fault: &(dyn std::error::Error + 'static)) -> String {
    let why = anyhow::Chain::new(fault).map(ToString::to_string);
    why.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_comes_back_as_it_was_written() {
        for (number, maker) in [
            (VERSION, env!("CARGO_PKG_VERSION")),
            (7, "1.20.300-rc.1+build.20270101"),
            (u32::MAX, ""),
        ] {
            assert_eq!(read(&written(number, maker)), (number, maker.to_owned()));
        }
        let (_, maker) = read(&written(1, "a\x1b[31mb"));
        assert_eq!(maker, "a\\x1b[31mb", "nothing of it reaches a terminal");
    }
}
