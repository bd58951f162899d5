//! Makes a running daemon take over what was decided.

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    daemon::{self, Places},
    dataplane::{maps::Pinned, swap},
    feed::{sha::Sha, store::Folder},
    lever::trial::Trial,
    state::StateDir,
};

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Whether what was decided is in force.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Takeover {
    /// It is, in this generation of the kernel's tables.
    InForce {
        /// The number.
        generation: u64,
    },
    /// No daemon runs.
    NextStart,
    /// A config is on trial, and it waits for the end of that.
    AfterTrial,
    /// A daemon runs, and did not.
    NotYet {
        /// Its process.
        pid: u32,
    },
}

/// Asks the daemon, and waits for it.
pub(in crate::command) fn take_over(places: &Places, source: &str) -> Takeover {
    let read = Folder::of(&places.state_dir, source).read().ok();
    let blob = read.and_then(|read| Some(read.state.approved()?.blob.clone()));
    let Some(pid) = daemon::holder(&places.state_dir) else {
        return Takeover::NextStart;
    };
    let waits = Trial::goes_on(&places.state_dir);
    if let Some(process) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // A daemon that ended meanwhile takes over at its next start.
        let _: rustix::io::Result<()> = kill_process(process, Signal::HUP);
    }
    if waits {
        return Takeover::AfterTrial;
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Some(generation) = in_force(places, source, blob.as_ref()) {
            return Takeover::InForce { generation };
        }
        thread::sleep(PAUSE);
    }
    Takeover::NotYet { pid }
}

/// The generation in force, if it was made of this edition.
pub(super) fn in_force(places: &Places, source: &str, blob: Option<&Sha>) -> Option<u64> {
    let newest = StateDir(&places.state_dir).newest().ok().flatten()?;
    let number = swap::current(Pinned(&places.pin_dir)).ok()?;
    let is_it = newest.number == number && newest.feeds.get(source) == blob;
    is_it.then_some(number)
}

impl Takeover {
    /// In words.
    pub(in crate::command) fn text(&self) -> String {
        match self {
            Self::InForce { generation } => {
                format!("in force, in generation {generation} of the gateway")
            }
            Self::NextStart => "no daemon runs: it is taken over at the next start".to_owned(),
            Self::AfterTrial => {
                "not yet in force: a config is on trial, and it is taken over once that is confirmed or over".to_owned()
            }
            Self::NotYet { pid } => format!(
                "NOT IN FORCE: the daemon, process {pid}, did not take it over within {} s; its log says why",
                PATIENCE.as_secs()
            ),
        }
    }

    /// Whether nothing went wrong.
    pub(in crate::command) fn is_fine(&self) -> bool {
        !matches!(self, Self::NotYet { .. })
    }
}
