//! What a person decides of a feed.
//!
//! In: the files of the feed, who decides, what. Out: the generation that comes of it, on disk; or
//! with `dry_run` only which it would be.

use super::{
    apply::{self, Applied},
    difference::Difference,
    edition::Edition,
    intake::Intake,
    person::By,
    standing::FeedError,
    store::StoreError,
};

/// Why nothing was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is nothing to decide about.
    #[error("nothing waits: the approved edition has all that the rules and you let in")]
    NothingWaits,
    /// A generation that is not there.
    #[error("there is no generation {wanted} of this feed; there are {}", .known.join(", "))]
    NoGeneration {
        /// The number.
        wanted: u64,
        /// Those that are kept.
        known: Vec<String>,
    },
    /// It is what holds.
    #[error("generation {0} is the approved one already")]
    Already(u64),
    /// The files cannot be used.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

impl From<StoreError> for DecideError {
    fn from(fault: StoreError) -> Self {
        Self::Feed(fault.into())
    }
}

/// What was decided, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// The feed's generation that holds after it.
    pub number: u64,
    /// What happened, in words.
    pub what: String,
    /// What becomes different.
    pub difference: Difference,
}

impl Intake<'_> {
    /// Approves the candidate.
    ///
    /// # Errors
    /// None waits, or the files cannot be used.
    pub fn approve_candidate(&mut self, by: &By, dry_run: bool) -> Result<Decided, DecideError> {
        let waiting = self.writer.state.candidate.clone();
        let waiting = waiting.ok_or(DecideError::NothingWaits)?;
        let folder = self.writer.folder();
        let candidate = folder.edition(&waiting.blob)?;
        let candidate = candidate.restricted(&self.settings().question);
        let records = folder.records(waiting.records.as_ref())?;
        let approved = self.approved()?;
        let difference = Difference::between(&approved, &candidate, &records);
        let rules = self.settings().rules.approved();
        let source = &self.settings().source;
        let Applied { edition, .. } = apply::apply(
            source,
            &approved,
            &candidate,
            &difference,
            &rules,
            self.now(),
        );
        let what = format!("version {}, approved", waiting.version);
        self.writer.state.candidate = None;
        self.settle(edition, by, what, difference, dry_run)
    }

    /// Does without the candidate.
    ///
    /// # Errors
    /// None waits, or the files cannot be used.
    pub fn reject_candidate(&mut self, by: &By, dry_run: bool) -> Result<Decided, DecideError> {
        let waiting = self.writer.state.candidate.take();
        let waiting = waiting.ok_or(DecideError::NothingWaits)?;
        let what = format!("version {} rejected", waiting.version);
        let event = self.event(by, what.clone());
        self.writer.state.rejected = Some(waiting.version);
        self.writer.state.remember(event);
        if !dry_run {
            self.commit()?;
        }
        Ok(Decided {
            number: self.number(),
            what,
            difference: Difference::default(),
        })
    }

    /// Goes back to an edition that was approved before.
    ///
    /// # Errors
    /// There is none of that number, or the files cannot be used.
    pub fn roll_back(
        &mut self,
        number: u64,
        by: &By,
        dry_run: bool,
    ) -> Result<Decided, DecideError> {
        if self.number() == number {
            return Err(DecideError::Already(number));
        }
        let edition = self.generation(number)?;
        let approved = self.approved()?;
        let restricted = edition.clone().restricted(&self.settings().question);
        let difference = Difference::between(&approved, &restricted, &Default::default());
        let what = format!("back to generation {number}");
        // What was published since is what the person does not want.
        let waiting = self.writer.state.candidate.take();
        let published = self.writer.state.published.as_ref();
        let unwanted = waiting.map(|one| one.version);
        let unwanted = unwanted.or_else(|| published.map(|one| one.version.clone()));
        self.writer.state.rejected = unwanted;
        self.settle(edition, by, what, difference, dry_run)
    }

    /// The edition of a generation; 0 is what egress brings along.
    fn generation(&self, number: u64) -> Result<Edition, DecideError> {
        let settings = self.settings();
        if number == 0 {
            let base = Edition::base(&settings.question, &settings.source);
            return Ok(base.map_err(FeedError::from)?);
        }
        let generations = &self.writer.state.generations;
        let wanted = generations.iter().find(|one| one.number == number);
        let wanted = wanted.ok_or_else(|| {
            let numbers = generations.iter().map(|one| one.number.to_string());
            let known = std::iter::once("0".to_owned()).chain(numbers).collect();
            let wanted = number;
            DecideError::NoGeneration { wanted, known }
        })?;
        Ok(self.writer.folder().edition(&wanted.blob)?)
    }

    fn settle(
        &mut self,
        edition: Edition,
        by: &By,
        what: String,
        difference: Difference,
        dry_run: bool,
    ) -> Result<Decided, DecideError> {
        let number = match dry_run {
            true => self.number() + 1,
            false => {
                let number = self.approve(edition, by, what.clone())?;
                self.commit()?;
                number
            }
        };
        Ok(Decided {
            number,
            what,
            difference,
        })
    }

    /// Number of the approved generation.
    fn number(&self) -> u64 {
        self.writer.state.approved().map_or(0, |one| one.number)
    }
}
