//! What is known of a feed, and what was decided: the content of its state file.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{person::By, refusal::Refusal, settings::Question, sha::Sha, version::Version};

/// Format of the file; another one is refused.
pub(super) const SCHEMA: &str = "egress.feed/1";
/// Events and refusals that are remembered.
const EVENTS: usize = 200;
pub(super) const REFUSALS: usize = 10;

/// The state of a feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(super) schema: String,
    /// Counts the writes; the file with the higher one is newer.
    pub(super) serial: u64,
    /// What was approved, the last one at the end; it is in force, or will be.
    pub generations: Vec<Generation>,
    /// What the service published last, as far as it was believed.
    pub published: Option<Published>,
    /// What waits for a person.
    pub candidate: Option<Candidate>,
    /// What a person did not want.
    pub rejected: Option<Version>,
    /// Answers that were refused; of the last one [`Refused::stands`] says whether it still matters.
    pub refusals: Vec<Refused>,
    /// What was decided by whom.
    pub history: Vec<Event>,
}

/// Something that was approved.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Generation {
    /// Its number; that of the feed, not of the kernel's tables.
    pub number: u64,
    /// Version that it follows, though part of that may wait.
    pub version: Option<Version>,
    /// Its edition.
    pub blob: Sha,
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: By,
    /// What made it, in words.
    pub what: String,
}

/// Something that was published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Its version.
    pub version: Version,
    /// Its edition.
    pub blob: Sha,
    /// What was asked.
    pub question: Question,
    /// When it was fetched.
    pub at: Timestamp,
    /// The change records that came with it.
    pub records: Option<Sha>,
    /// Where the change records do not lead to it, and what is new in them.
    pub disagreements: Vec<String>,
}

/// Something that waits.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Candidate {
    /// Its version.
    pub version: Version,
    /// Its edition.
    pub blob: Sha,
    /// The change records that came with it.
    pub records: Option<Sha>,
    /// Since when.
    pub at: Timestamp,
    /// Kinds of changes that wait.
    pub waits: Vec<String>,
}

/// An answer that was refused.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Refused {
    /// When.
    pub at: Timestamp,
    /// How often in a row.
    pub times: u32,
    /// The version that the service announced, where it got that far.
    pub version: Option<Version>,
    /// One word for the reason.
    pub kind: String,
    /// The reason.
    pub reason: String,
    /// The answer, in the folder `refused`.
    pub file: String,
    /// Whether no good answer came since.
    pub stands: bool,
}

/// Something that was decided.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// By whom.
    pub by: By,
    /// What.
    pub what: String,
}

impl Refused {
    /// Whether the announcement was refused, not what was announced.
    pub(super) fn is_about_version(&self) -> bool {
        self.version.is_none() || self.kind == "goes-back"
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            serial: 0,
            generations: Vec::new(),
            published: None,
            candidate: None,
            rejected: None,
            refusals: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl State {
    /// What is approved; none while only the data holds that egress brings along.
    pub fn approved(&self) -> Option<&Generation> {
        self.generations.last()
    }

    /// The refusal after which no good answer came.
    pub fn refusal(&self) -> Option<&Refused> {
        self.refusals.last().filter(|refused| refused.stands)
    }

    /// Approves an edition, and returns its number.
    pub(super) fn approve(&mut self, version: Option<Version>, blob: Sha, event: Event) -> u64 {
        let number = self.approved().map_or(1, |last| last.number + 1);
        let Event { at, by, what } = event.clone();
        self.generations.push(Generation {
            number,
            version,
            blob,
            at,
            by,
            what,
        });
        self.remember(Event {
            what: format!("generation {number}: {}", event.what),
            ..event
        });
        number
    }

    /// Adds to the history.
    pub(super) fn remember(&mut self, event: Event) {
        self.history.push(event);
        let old = self.history.len().saturating_sub(EVENTS);
        self.history.drain(..old);
    }

    /// Notes a refusal; whether it is another one than the last.
    pub(super) fn refuse(
        &mut self,
        refusal: &Refusal,
        version: Option<Version>,
        file: String,
        at: Timestamp,
    ) -> bool {
        let reason = refusal.to_string();
        if let Some(last) = self.refusals.last_mut()
            && (last.stands, &last.file, &last.reason) == (true, &file, &reason)
        {
            last.times = last.times.saturating_add(1);
            last.at = at;
            return false;
        }
        self.good();
        self.refusals.push(Refused {
            at,
            times: 1,
            version,
            kind: refusal.name().to_owned(),
            reason,
            file,
            stands: true,
        });
        let old = self.refusals.len().saturating_sub(REFUSALS);
        self.refusals.drain(..old);
        true
    }

    /// Notes that a good answer came.
    pub(super) fn good(&mut self) {
        for refused in &mut self.refusals {
            refused.stands = false;
        }
    }

    /// Forgets generations before the last ones.
    pub(super) fn prune(&mut self, keep: usize) {
        let old = self.generations.len().saturating_sub(keep.max(2));
        self.generations.drain(..old);
    }

    /// Content that must stay.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Sha> {
        let generations = self.generations.iter().map(|generation| &generation.blob);
        let published = self.published.iter();
        let published = published.flat_map(|one| [Some(&one.blob), one.records.as_ref()]);
        let candidate = self.candidate.iter();
        let candidate = candidate.flat_map(|one| [Some(&one.blob), one.records.as_ref()]);
        generations.chain(published.chain(candidate).flatten())
    }
}
