//! The emergency lever: while it is pulled nothing is dropped, and all is judged, learned and counted as before.
//!
//! `STATE/bypass.json` says so for daemons to come and other boots; the kernel's word acts, and ends by itself.
//! What either of them says holds: no crash between the two takes a pulled lever back.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use egress_common::trial::NEVER_MS;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    deadline::{Deadline, Now, countdown},
    note,
};
use crate::{
    daemon::Places,
    dataplane::{
        boot_ms,
        bypass::{self as word, BypassError},
        maps::Pinned,
    },
    durable::{self, FileError},
    feed::person::By,
};

/// Format of the file.
const SCHEMA: &str = "egress.bypass/1";

/// A pulled lever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bypass {
    /// Since when.
    pub since: Timestamp,
    /// Who pulled it, where that is known.
    pub by: Option<By>,
    /// When it ends; never by itself where there is nothing.
    pub ends: Option<Deadline>,
}

/// Why disk and kernel may say different things.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// The kernel's word.
    #[error(transparent)]
    Kernel(#[from] BypassError),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// How far a lever was moved.
#[derive(Debug)]
pub enum Moved {
    /// In the kernel and on disk.
    Whole,
    /// On disk, and nothing is loaded that could drop anything.
    OnDisk,
    /// In the kernel; the disk failed.
    InKernel(FileError),
}

impl Moved {
    /// In words: where the lever is now, and for how long.
    pub fn told(&self, on: bool, whole: Option<Duration>) -> String {
        let until = match whole {
            Some(whole) => format!("for {}", countdown(whole)),
            None => "until `egress-ctl bypass off`".to_owned(),
        };
        match (self, on) {
            (Self::OnDisk, true) => {
                format!("nothing is loaded; a daemon that starts drops nothing {until}")
            }
            (Self::OnDisk, false) => {
                "nothing is loaded; a daemon that starts drops as its config says".to_owned()
            }
            (Self::Whole, true) => format!("BYPASS is on: nothing is dropped {until}"),
            (Self::InKernel(_), true) => {
                format!("BYPASS is on: nothing is dropped {until}, or until a reboot")
            }
            (Self::Whole, false) => {
                "the bypass is off: packets are dropped as the policy says".to_owned()
            }
            (Self::InKernel(_), false) => {
                "the bypass is off until a daemon starts, which would pull it again".to_owned()
            }
        }
    }
}

/// What holds of the lever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What the disk says, where it could be read.
    pub noted: Option<Bypass>,
    /// How much time is left; none where it does not end by itself.
    pub left: Option<Duration>,
}

impl Bypass {
    fn new(whole: Option<Duration>, by: Option<By>, now: &Now) -> Self {
        Self {
            since: now.wall(),
            by,
            ends: whole.map(|whole| Deadline::after(whole, now)),
        }
    }

    /// What the disk says; nothing where the lever is not pulled.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    fn read(state_dir: &Path) -> Result<Option<Self>, FileError> {
        note::read(&path(state_dir), SCHEMA)
    }

    fn write(&self, state_dir: &Path) -> Result<(), FileError> {
        durable::folder(state_dir)?;
        note::write(&path(state_dir), SCHEMA, self)
    }

    /// Whether it is over.
    fn is_over(&self, now: &Now) -> bool {
        self.ends
            .as_ref()
            .is_some_and(|ends| ends.left(now).is_none())
    }

    /// The kernel's word for it.
    fn word(&self, now: &Now) -> u64 {
        self.ends
            .as_ref()
            .map_or(NEVER_MS, |ends| ends.boot_ms(now))
    }
}

/// Pulls the lever, for a time or until it is put back. Where one of disk and kernel fails, the other holds.
///
/// # Errors
/// Nothing can be dropped differently: the kernel refused.
pub fn begin(places: &Places, whole: Option<Duration>, by: By) -> Result<Moved, BypassError> {
    let now = Now::read();
    let bypass = Bypass::new(whole, Some(by), &now);
    let noted = bypass.write(&places.state_dir);
    moved(noted, word::set(Pinned(&places.pin_dir), bypass.word(&now)))
}

/// Puts the lever back.
///
/// # Errors
/// The kernel refused: nothing is dropped as before.
pub fn end(places: &Places) -> Result<Moved, BypassError> {
    // The kernel first: a lever that is still noted comes back loudly, one that only acts is overlooked.
    let acts = word::set(Pinned(&places.pin_dir), 0);
    match acts {
        Err(fault) if !fault.is_not_loaded() => Err(fault),
        acts => moved(forget(&places.state_dir), acts),
    }
}

fn moved(
    noted: Result<(), FileError>,
    acts: Result<(), BypassError>,
) -> Result<Moved, BypassError> {
    match (acts, noted) {
        (Ok(()), Ok(())) => Ok(Moved::Whole),
        (Ok(()), Err(fault)) => Ok(Moved::InKernel(fault)),
        (Err(fault), Ok(())) if fault.is_not_loaded() => Ok(Moved::OnDisk),
        (Err(fault), _) => Err(fault),
    }
}

/// Removes the note.
fn forget(state_dir: &Path) -> Result<(), FileError> {
    durable::remove(&path(state_dir))
}

/// Makes disk and kernel say the same when a daemon starts, maybe with new maps or after a reboot.
///
/// # Errors
/// What cannot be read or written.
pub fn settle(places: &Places) -> Result<Option<State>, SettleError> {
    let now = Now::read();
    let pinned = Pinned(&places.pin_dir);
    let acts_until = word::until_ms(pinned)?;
    if let Some(noted) = Bypass::read(&places.state_dir)? {
        if noted.is_over(&now) {
            over(places)?;
            return Ok(None);
        }
        word::set(pinned, noted.word(&now))?;
        return Ok(Some(State::of(Some(noted), acts_until, &now)));
    }
    let state = State::of(None, acts_until, &now);
    if !is_on(acts_until) {
        return Ok(None);
    }
    let noted = Bypass::new(state.left, None, &now);
    noted.write(&places.state_dir)?;
    Ok(Some(State {
        noted: Some(noted),
        ..state
    }))
}

/// Forgets a lever whose time is over; tells whether there was one.
///
/// # Errors
/// What cannot be read or written.
pub fn expire(places: &Places) -> Result<bool, SettleError> {
    let noted = Bypass::read(&places.state_dir)?;
    let is_over = noted.is_some_and(|noted| noted.is_over(&Now::read()));
    if is_over {
        over(places)?;
    }
    Ok(is_over)
}

fn over(places: &Places) -> Result<(), SettleError> {
    word::set(Pinned(&places.pin_dir), 0)?;
    Ok(forget(&places.state_dir)?)
}

/// What holds now; nothing where packets are dropped as the policy says.
///
/// # Errors
/// The map is not there, or the kernel does not read it.
pub fn now(places: &Places) -> Result<Option<State>, BypassError> {
    let until_ms = match word::until_ms(Pinned(&places.pin_dir)) {
        // Programs of a version before there was a lever.
        Err(fault) if fault.is_not_loaded() => 0,
        until_ms => until_ms?,
    };
    if !is_on(until_ms) {
        return Ok(None);
    }
    let noted = Bypass::read(&places.state_dir).ok().flatten();
    Ok(Some(State::of(noted, until_ms, &Now::read())))
}

fn is_on(until_ms: u64) -> bool {
    boot_ms() < until_ms
}

impl State {
    fn of(noted: Option<Bypass>, until_ms: u64, now: &Now) -> Self {
        let left = match noted.as_ref().map(|noted| &noted.ends) {
            Some(ends) => ends.as_ref().and_then(|ends| ends.left(now)),
            None => (until_ms != NEVER_MS)
                .then(|| Duration::from_millis(until_ms.saturating_sub(now.boot_ms()))),
        };
        Self { noted, left }
    }
}

fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("bypass.json")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn bypass(whole: Option<Duration>) -> Bypass {
        Bypass::new(whole, Some(By::Rule), &Now::read())
    }

    #[test]
    fn a_lever_comes_back_from_disk_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Bypass::read(dir.path()).unwrap(), None);
        for whole in [None, Some(Duration::from_secs(600))] {
            let bypass = bypass(whole);
            bypass.write(dir.path()).unwrap();
            assert_eq!(Bypass::read(dir.path()).unwrap(), Some(bypass));
        }
        forget(dir.path()).unwrap();
        forget(dir.path()).unwrap();
        assert_eq!(Bypass::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_is_no_lever_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let foreign = serde_json::to_string(&bypass(None))
            .unwrap()
            .replace("/1", "/9");
        for text in ["", "{", "{\"schema\":\"egress.bypass/1\"}", &foreign] {
            fs::write(path(dir.path()), text).unwrap();
            let fault = Bypass::read(dir.path()).unwrap_err().to_string();
            assert!(fault.contains("bypass.json"), "{text}: {fault}");
        }
    }

    #[test]
    fn an_endless_lever_is_never_over() {
        let now = Now::read();
        let endless = bypass(None);
        assert!(!endless.is_over(&now));
        assert_eq!(endless.word(&now), NEVER_MS);
        let timed = bypass(Some(Duration::from_millis(1)));
        assert!(timed.word(&now) <= now.boot_ms() + 1_000);
        std::thread::sleep(Duration::from_millis(3));
        assert!(timed.is_over(&Now::read()));
    }
}
