//! From an answer of the service to what is approved.
//!
//! In: the answer, the files of the feed, the settings, the time. Out: an [`Outcome`], on disk.

use std::{collections::BTreeSet, path::Path};

use jiff::Timestamp;

use super::{
    apply::{self, Applied},
    believable,
    difference::Difference,
    edition::Edition,
    fetch::{Answer, News},
    person::By,
    record::Records,
    refusal::Refusal,
    settings::Settings,
    sha::Sha,
    standing::{FeedError, Feeds},
    state::{Candidate, Event, Published, Refused},
    store::{Folder, StoreError, Writer},
    version::Version,
};
use crate::state::StateDir;

/// What became of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing is new.
    Unchanged,
    /// It must not be applied.
    Refused(Refusal),
    /// The rules made a generation of it, as far as they let.
    Approved {
        /// The feed's generation.
        number: u64,
        /// Kinds of changes that wait.
        waits: Vec<String>,
    },
    /// Nothing of it applies by itself.
    Waits(Vec<String>),
}

/// A feed whose files nobody else writes.
pub struct Intake<'a> {
    settings: &'a Settings,
    state_dir: &'a Path,
    pub(super) writer: Writer,
    now: Timestamp,
}

impl<'a> Intake<'a> {
    /// Takes the lock.
    ///
    /// # Errors
    /// The disk is not writable, or another process holds on.
    pub fn new(
        state_dir: &'a Path,
        settings: &'a Settings,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            settings,
            state_dir,
            writer: Folder::of(state_dir, &settings.source).write()?,
            now,
        })
    }

    /// Writes what was decided.
    pub(super) fn commit(&mut self) -> Result<(), StoreError> {
        let needed: Option<BTreeSet<Sha>> = StateDir(self.state_dir).editions().ok();
        let keep = self.settings.rules.keep;
        self.writer.commit(keep, needed.as_ref())
    }

    /// What holds.
    pub(super) fn approved(&self) -> Result<Edition, FeedError> {
        let in_force = StateDir(self.state_dir).newest().ok().flatten();
        let in_force = in_force.map(|snapshot| snapshot.feeds).unwrap_or_default();
        let feeds = Feeds::approved(self.state_dir, in_force);
        Ok(feeds.edition(self.settings)?.1)
    }

    pub(super) fn event(&self, by: &By, what: String) -> Event {
        Event {
            at: self.now,
            by: by.clone(),
            what,
        }
    }

    /// What waits for a person.
    pub fn waiting(&self) -> Option<&Candidate> {
        self.writer.state.candidate.as_ref()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn settings(&self) -> &Settings {
        self.settings
    }

    /// Keeps an answer aside.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn refuse(
        &mut self,
        refusal: Refusal,
        version: Option<Version>,
        answer: &[u8],
    ) -> Result<Outcome, StoreError> {
        let file = self.writer.put_refused(&refusal, answer)?;
        let state = &mut self.writer.state;
        if state.refuse(&refusal, version, file, self.now) {
            let what = format!("refused: {refusal}");
            let event = self.event(&By::Rule, what);
            self.writer.state.remember(event);
        }
        self.commit()?;
        Ok(Outcome::Refused(refusal))
    }

    /// Takes an answer in.
    ///
    /// # Errors
    /// The disk is full or not writable; what was approved stays.
    pub fn take(&mut self, answer: &Answer) -> Result<Outcome, FeedError> {
        if let Some(refusal) = self.goes_back(&answer.latest) {
            let body = format!("{{\"latest\": \"{}\"}}\n", answer.latest);
            return Ok(self.refuse(refusal, Some(answer.latest.clone()), body.as_bytes())?);
        }
        let Some(news) = &answer.news else {
            return Ok(self.nothing_new()?);
        };
        match self.read(&answer.latest, news) {
            Ok(edition) => self.take_edition(&answer.latest, edition, news),
            Err(refusal) => {
                let version = Some(answer.latest.clone());
                Ok(self.refuse(refusal, version, &news.endpoints)?)
            }
        }
    }

    /// What was wrong with the announcement is over.
    fn nothing_new(&mut self) -> Result<Outcome, StoreError> {
        let stands = self.writer.state.refusal();
        if stands.is_some_and(Refused::is_about_version) {
            self.writer.state.good();
            self.commit()?;
        }
        Ok(Outcome::Unchanged)
    }

    fn published(&self) -> Option<&Published> {
        let question = &self.settings.question;
        let same = |one: &&Published| one.question.instance == question.instance;
        self.writer.state.published.as_ref().filter(same)
    }

    fn goes_back(&self, offered: &Version) -> Option<Refusal> {
        let known = &self.published()?.version;
        (offered < known).then(|| Refusal::GoesBack {
            offered: offered.clone(),
            known: known.clone(),
        })
    }

    fn read(&self, version: &Version, news: &News) -> Result<Edition, Refusal> {
        let Settings {
            source, question, ..
        } = self.settings;
        let text = std::str::from_utf8(&news.endpoints);
        let text = text.map_err(|fault| Refusal::NotJson(fault.to_string()))?;
        let edition = Edition::published(text, source, &question.instance, version.clone())?;
        Ok(edition.restricted(question))
    }

    fn take_edition(
        &mut self,
        version: &Version,
        edition: Edition,
        news: &News,
    ) -> Result<Outcome, FeedError> {
        let approved = self.approved()?;
        if let Err(refusal) = self.believe(&edition, &approved) {
            let version = Some(version.clone());
            return Ok(self.refuse(refusal, version, &news.endpoints)?);
        }
        let blob = self.writer.put_edition(&edition)?;
        let known = self
            .published()
            .filter(|one| one.question == self.settings.question);
        if let Some(known) = known.filter(|known| known.version == *version) {
            if known.blob == blob {
                self.writer.state.good();
                self.commit()?;
                return Ok(Outcome::Unchanged);
            }
            let version = version.clone();
            let refusal = Refusal::SameVersion {
                version: version.clone(),
            };
            return Ok(self.refuse(refusal, Some(version), &news.endpoints)?);
        }
        let records = self.records(&edition, news)?;
        self.writer.state.good();
        self.writer.state.published = Some(Published {
            version: version.clone(),
            blob: blob.clone(),
            question: self.settings.question.clone(),
            at: self.now,
            records: records.blob.clone(),
            disagreements: records.disagreements,
        });
        let outcome = self.decide(&approved, &edition, blob, &records.records, records.blob)?;
        self.commit()?;
        Ok(outcome)
    }

    /// The first data of an instance is taken whatever it lacks of another one's.
    fn is_first(&self, approved: &Edition) -> bool {
        let instance = &self.settings.question.instance;
        approved.sets.is_empty() || !approved.instance.eq_ignore_ascii_case(instance)
    }

    fn believe(&self, edition: &Edition, approved: &Edition) -> Result<(), Refusal> {
        let before = (!self.is_first(approved)).then_some(approved.sets.as_slice());
        believable::check(&edition.sets, before, self.settings.rules.max_loss)
    }

    /// The change records, and how they fit.
    fn records(&self, edition: &Edition, news: &News) -> Result<Explained, FeedError> {
        let mut explained = Explained::default();
        let read = match &news.changes {
            None => return Ok(explained),
            Some(Ok(bytes)) => {
                let text = String::from_utf8_lossy(bytes);
                Records::read(&text).map_err(|refusal| refusal.to_string())
            }
            Some(Err(fault)) => Err(fault.clone()),
        };
        let records = match read {
            Ok(records) => records,
            Err(fault) => {
                let told = format!("the change records cannot be read: {fault}");
                explained.disagreements.push(told);
                return Ok(explained);
            }
        };
        let before = match self.published() {
            Some(published) => self.writer.folder().edition(&published.blob)?,
            None => Edition::base(&self.settings.question, &self.settings.source)?,
        };
        let question = &self.settings.question;
        let unknown = records.unknown_impacts();
        let unknown = unknown
            .iter()
            .map(|impact| format!("the impact {impact:?} is new"));
        explained.disagreements.extend(unknown);
        let disagree = records.disagree(&before.restricted(question), edition, question);
        explained.disagreements.extend(disagree);
        explained.blob = Some(self.writer.put_records(&records)?);
        explained.records = records;
        Ok(explained)
    }

    /// Lets the rules decide.
    fn decide(
        &mut self,
        approved: &Edition,
        edition: &Edition,
        blob: Sha,
        records: &Records,
        records_blob: Option<Sha>,
    ) -> Result<Outcome, StoreError> {
        let Applied {
            edition: next,
            waits,
        } = if self.is_first(approved) {
            let edition = edition.clone();
            let waits = Vec::new();
            Applied { edition, waits }
        } else {
            let difference = Difference::between(approved, edition, records);
            let Settings { source, rules, .. } = self.settings;
            apply::apply(source, approved, edition, &difference, rules, self.now)
        };
        let waits: Vec<String> = waits.into_iter().map(str::to_owned).collect();
        let version = edition.version.clone();
        self.writer.state.candidate =
            version
                .clone()
                .filter(|_| !waits.is_empty())
                .map(|version| {
                    let waits = waits.clone();
                    Candidate {
                        version,
                        blob,
                        records: records_blob,
                        at: self.now,
                        waits,
                    }
                });
        let same = next.sets == approved.sets && next.quarantine == approved.quarantine;
        if same && self.writer.state.approved().is_some() && !waits.is_empty() {
            return Ok(Outcome::Waits(waits));
        }
        let what = match (&version, waits.is_empty()) {
            (Some(version), true) => format!("version {version}"),
            (Some(version), false) => {
                format!("version {version}, but {} wait", waits.join(" and "))
            }
            (None, _) => "no version".to_owned(),
        };
        let number = self.approve(next, &By::Rule, what)?;
        Ok(Outcome::Approved { number, waits })
    }

    /// Makes an edition the approved one; [`Self::commit`] is still to be called.
    pub(super) fn approve(
        &mut self,
        edition: Edition,
        by: &By,
        what: String,
    ) -> Result<u64, StoreError> {
        let blob = self.writer.put_edition(&edition)?;
        let event = self.event(by, what);
        Ok(self.writer.state.approve(edition.version, blob, event))
    }

    /// Lets go of what was in quarantine long enough; the number of the new generation, if any.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn expire(&mut self) -> Result<Option<u64>, FeedError> {
        if self.writer.state.approved().is_none() {
            return Ok(None);
        }
        let approved = self.approved()?;
        let source = &self.settings.source;
        let Some(next) = apply::expired(source, &approved, self.now) else {
            return Ok(None);
        };
        let gone = approved.quarantine.len() - next.quarantine.len();
        let what = format!("the quarantine of {gone} parts of endpoint sets is over");
        let number = self.approve(next, &By::Rule, what)?;
        self.commit()?;
        Ok(Some(number))
    }
}

/// Change records, where they are, and what is odd about them.
#[derive(Default)]
struct Explained {
    records: Records,
    blob: Option<Sha>,
    disagreements: Vec<String>,
}

#[cfg(test)]
mod tests;
