//! Follows the web service while the daemon runs: one task a source.
//!
//! A task asks when it is time to, lets go of what was in quarantine long enough, and tells the daemon
//! when another edition is approved. It never waits for the daemon, nor the daemon for it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinHandle,
    time::sleep,
};
use tracing::{error, info, warn};

use crate::feed::{
    intake::Outcome,
    poll::{PollError, aside, poll},
    schedule::Schedule,
    settings::Settings,
    sha::Sha,
    store::Folder,
};

/// Longest sleep: the clock may be set, and a command may have asked meanwhile.
const LOOK: Duration = Duration::from_secs(30);
/// Shortest time between two attempts where the last one could not be written down.
const AGAIN: Duration = Duration::from_secs(60);

/// All tasks.
pub(super) struct Following {
    state_dir: PathBuf,
    tasks: BTreeMap<String, (Settings, JoinHandle<()>)>,
    tell: Sender<()>,
    told: Receiver<()>,
}

impl Following {
    pub(super) fn new(state_dir: &Path) -> Self {
        let (tell, told) = channel(1);
        Self {
            state_dir: state_dir.to_owned(),
            tasks: BTreeMap::new(),
            tell,
            told,
        }
    }

    /// Follows these sources from now on; a task whose settings are the same goes on.
    pub(super) fn follow<'a>(&mut self, all: impl Iterator<Item = &'a Settings>) {
        let wanted: BTreeMap<&str, &Settings> = all
            .map(|settings| (settings.source.as_str(), settings))
            .collect();
        self.tasks.retain(|source, (settings, task)| {
            let stays = wanted.get(source.as_str()) == Some(&&*settings);
            if !stays {
                task.abort();
            }
            stays
        });
        for settings in wanted.into_values() {
            if self.tasks.contains_key(&settings.source) {
                continue;
            }
            let task = Task {
                state_dir: self.state_dir.clone(),
                settings: settings.clone(),
                tell: self.tell.clone(),
                ends: None,
                told: None,
                not_before: Instant::now(),
            };
            let task = tokio::spawn(task.run());
            self.tasks
                .insert(settings.source.clone(), (settings.clone(), task));
        }
    }

    /// Waits until another edition is approved.
    pub(super) async fn news(&mut self) {
        // There always is a sender: our own.
        let _: Option<()> = self.told.recv().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        for (_, task) in self.tasks.values() {
            task.abort();
        }
    }
}

/// Follows one source.
struct Task {
    state_dir: PathBuf,
    settings: Settings,
    tell: Sender<()>,
    /// When the first part in quarantine goes, and of which edition that is known.
    ends: Option<(Sha, Timestamp)>,
    /// The edition that the daemon was told of last.
    told: Option<Sha>,
    /// When to ask again though nobody wrote it down: not by the wall clock, which may be set back.
    not_before: Instant,
}

impl Task {
    async fn run(mut self) {
        loop {
            sleep(self.pause()).await;
            let now = Timestamp::now();
            if self.ends().is_some_and(|ends| ends <= now) {
                self.expire(now).await;
            }
            if self.due(now) <= now && self.rest().is_zero() {
                self.not_before = Instant::now() + self.settings.poll.min(AGAIN);
                self.poll().await;
            }
            self.tell();
        }
    }

    fn pause(&mut self) -> Duration {
        let now = Timestamp::now();
        let until = |then: Timestamp| {
            let left = then.duration_since(now);
            Duration::try_from(left).unwrap_or_default()
        };
        let due = until(self.due(now)).max(self.rest());
        let ends = self.ends().map_or(LOOK, until);
        due.min(ends).min(LOOK)
    }

    /// How long it is left alone whatever is due.
    fn rest(&self) -> Duration {
        self.not_before.saturating_duration_since(Instant::now())
    }

    fn due(&self, now: Timestamp) -> Timestamp {
        let schedule = Schedule::read(&self.folder());
        let Settings { question, url, .. } = &self.settings;
        schedule.due(question, url, now)
    }

    fn folder(&self) -> Folder {
        Folder::of(&self.state_dir, &self.settings.source)
    }

    fn ends(&mut self) -> Option<Timestamp> {
        let read = self.folder().read().ok()?;
        let blob = read.state.approved()?.blob.clone();
        if self.ends.as_ref().is_none_or(|(known, _)| *known != blob) {
            let edition = self.folder().edition(&blob).ok()?;
            let ends = edition.quarantine.iter().map(|part| part.until).min();
            self.ends = Some((blob, ends.unwrap_or(Timestamp::MAX)));
        }
        self.ends.as_ref().map(|(_, ends)| *ends)
    }

    async fn expire(&mut self, now: Timestamp) {
        let source = &self.settings.source;
        let expired = aside(&self.state_dir, &self.settings, now, |mut intake| {
            intake.expire()
        });
        match expired.await {
            Ok(Some(number)) => {
                info!(
                    "source `{source}`: generation {number}, without what was in quarantine long enough"
                );
            }
            Ok(None) => {}
            Err(fault) => {
                error!("source `{source}`: what was in quarantine long enough stays: {fault:#}");
                let later = now.checked_add(AGAIN).unwrap_or(Timestamp::MAX);
                self.ends = self.ends.take().map(|(blob, _)| (blob, later));
            }
        }
    }

    async fn poll(&mut self) {
        let source = &self.settings.source;
        match poll(&self.state_dir, &self.settings, false).await {
            Ok(Outcome::Unchanged) => {}
            Ok(Outcome::Approved { number, waits }) => {
                info!(
                    "source `{source}`: generation {number} by the rules{}",
                    waiting(&waits)
                );
            }
            Ok(Outcome::Waits(waits)) => info!("source `{source}`:{}", waiting(&waits)),
            Ok(Outcome::Refused(refusal)) => {
                error!("source `{source}`: REFUSED: {refusal}; what is approved stays");
            }
            Err(PollError::Failed(failed)) => {
                warn!("source `{source}`: {failed}; what is approved stays");
            }
            Err(fault) => error!("source `{source}`: {fault:#}; what is approved stays"),
        }
    }

    /// Tells the daemon once of each approved edition, whoever approved it: a command that was killed
    /// did not.
    fn tell(&mut self) {
        let read = self.folder().read().ok();
        let blob = read.and_then(|read| Some(read.state.approved()?.blob.clone()));
        if blob.is_some() && blob != self.told {
            // Where one is waiting already, the daemon reads all of it.
            let _: Result<(), _> = self.tell.try_send(());
            self.told = blob;
        }
    }
}

fn waiting(waits: &[String]) -> String {
    if waits.is_empty() {
        return String::new();
    }
    let waits = waits.join(" and ");
    format!(" {waits} wait for `egress-ctl feed approve`")
}
