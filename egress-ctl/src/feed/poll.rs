//! One poll: ask, take in, note when to ask again.

use std::path::Path;

use jiff::Timestamp;

use super::{
    fetch::{self, Answer, Failed, FetchError, Known, RefusedAnswer},
    intake::{Intake, Outcome},
    request_id::RequestId,
    schedule::Schedule,
    settings::Settings,
    standing::FeedError,
    state::State,
    store::{Folder, StoreError},
    version::Version,
};
use crate::durable::FileError;

/// Why a poll came to nothing; what is approved stays.
#[derive(Debug, thiserror::Error)]
pub enum PollError {
    /// The service does not answer.
    #[error(transparent)]
    Failed(#[from] Failed),
    /// A file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The files of the feed cannot be used.
    #[error(transparent)]
    Feed(#[from] FeedError),
}

impl From<StoreError> for PollError {
    fn from(fault: StoreError) -> Self {
        Self::Feed(fault.into())
    }
}

/// After which the built-in data of Worldwide was published.
const BASE: &str = "2026053100";

/// Asks the service; `anyway` for all of it, also where its version is known.
///
/// # Errors
/// The service does not answer, or files cannot be used.
pub async fn poll(
    state_dir: &Path,
    settings: &Settings,
    anyway: bool,
) -> Result<Outcome, PollError> {
    let folder = Folder::of(state_dir, &settings.source);
    let mut schedule = Schedule::read(&folder);
    let known = known(&folder, settings, &schedule);
    let id = RequestId::of_machine(state_dir)?;
    let fetched = fetch::fetch(settings, &id, &known, anyway).await;
    let now = Timestamp::now();
    schedule.question = Some(settings.question.clone());
    schedule.url = Some(settings.url.clone());
    let outcome = match fetched {
        Ok(answer) => take(state_dir, settings, answer, now, &mut schedule).await?,
        Err(FetchError::Refused(refused)) => {
            let RefusedAnswer {
                refusal,
                version,
                answer,
            } = *refused;
            schedule.answered(now, settings.poll, fastrand::f64());
            aside(state_dir, settings, now, move |mut intake| {
                Ok(intake.refuse(refusal, version, &answer)?)
            })
            .await?
        }
        Err(FetchError::Failed(failed)) => {
            schedule.failed(now, &failed, settings.poll, fastrand::f64());
            schedule.write(&folder)?;
            return Err(failed.into());
        }
    };
    schedule.write(&folder)?;
    Ok(outcome)
}

async fn take(
    state_dir: &Path,
    settings: &Settings,
    answer: Answer,
    now: Timestamp,
    schedule: &mut Schedule,
) -> Result<Outcome, PollError> {
    schedule.answered(now, settings.poll, fastrand::f64());
    schedule.latest = Some(answer.latest.clone());
    schedule.tag.clone_from(&answer.tag);
    let outcome = aside(state_dir, settings, now, move |mut intake| {
        intake.take(&answer)
    });
    Ok(outcome.await?)
}

/// Works on the files of a feed in a thread of its own: waiting for the lock, reading and comparing take
/// time, in which the daemon has other things to do.
///
/// # Errors
/// The lock cannot be taken, or what the work finds.
pub async fn aside<T: Send + 'static>(
    state_dir: &Path,
    settings: &Settings,
    now: Timestamp,
    work: impl FnOnce(Intake<'_>) -> Result<T, FeedError> + Send + 'static,
) -> Result<T, FeedError> {
    let (state_dir, settings) = (state_dir.to_owned(), settings.clone());
    let task = tokio::task::spawn_blocking(move || work(Intake::new(&state_dir, &settings, now)?));
    match task.await {
        Ok(done) => done,
        Err(fault) => std::panic::resume_unwind(fault.into_panic()),
    }
}

/// What need not be fetched again.
pub fn known(folder: &Folder, settings: &Settings, schedule: &Schedule) -> Known {
    let question = &settings.question;
    let state: Option<State> = folder.read().ok().map(|read| read.state);
    let published = state.and_then(|state| state.published);
    let published = published.filter(|one| one.question.instance == question.instance);
    let same = published.clone().filter(|one| one.question == *question);
    let same_place = schedule.url.as_deref() == Some(&settings.url);
    let tag = schedule.tag.clone().zip(schedule.latest.clone());
    let base = || {
        let base = Version::try_from(BASE.to_owned()).ok();
        base.filter(|_| question.is_worldwide())
    };
    Known {
        version: same.map(|one| one.version),
        base: published.map(|one| one.version).or_else(base),
        tag: tag.filter(|_| same_place && schedule.question.as_ref() == Some(question)),
    }
}
