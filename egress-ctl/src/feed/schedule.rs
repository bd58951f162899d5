//! When the service is asked again.
//!
//! In: what became of the last question, and a random number. Out: the next time. Kept in
//! `poll.json`, so that a restart asks no sooner.

use std::{fs, path::PathBuf, time::Duration};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{fetch::Failed, settings::Question, store::Folder, version::Version};
use crate::durable::{self, FileError};

/// The first pause after a failure, and the longest.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// Part of a pause by which it may be longer, so that machines do not ask at the same moment.
const JITTER: f64 = 0.1;

/// When the service was asked, and when it will be.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(default)]
pub struct Schedule {
    /// When it was asked last.
    pub last: Option<Timestamp>,
    /// When it answered last.
    pub answered: Option<Timestamp>,
    /// Before then it is not asked.
    pub next: Option<Timestamp>,
    /// The newest version that it named.
    pub latest: Option<Version>,
    /// ETag of that answer.
    pub tag: Option<String>,
    /// What was asked, and whom.
    pub question: Option<Question>,
    /// As in the config.
    pub url: Option<String>,
    /// Failures in a row.
    pub failures: u32,
    /// The last of them.
    pub fault: Option<String>,
}

impl Schedule {
    /// Reads it; what cannot be read is as if the service was never asked.
    pub fn read(folder: &Folder) -> Self {
        let text = fs::read(path(folder)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Writes it.
    ///
    /// # Errors
    /// The disk is full or not writable.
    pub fn write(&self, folder: &Folder) -> Result<(), FileError> {
        durable::folder(folder.path())?;
        let json = serde_json::to_vec_pretty(self).unwrap_or_default();
        durable::replace(&path(folder), &json)
    }

    /// Notes an answer; `random` is in 0..1.
    pub fn answered(&mut self, now: Timestamp, poll: Duration, random: f64) {
        self.last = Some(now);
        self.answered = Some(now);
        self.failures = 0;
        self.fault = None;
        self.next = Some(after(now, stretched(poll, random)));
    }

    /// Notes a failure: twice the pause each time, or what the service asks for.
    pub fn failed(&mut self, now: Timestamp, failed: &Failed, poll: Duration, random: f64) {
        self.last = Some(now);
        self.failures = self.failures.saturating_add(1);
        self.fault = Some(failed.to_string());
        let first = FIRST.min(poll);
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = first.saturating_mul(1 << doublings).min(LONGEST.max(poll));
        let pause = failed.wait.unwrap_or(pause);
        self.next = Some(after(now, stretched(pause, random)));
    }

    /// When to ask; at once where something else is asked than before, or where the clock was set back since:
    /// by another clock nobody knows when.
    pub fn due(&self, question: &Question, url: &str, now: Timestamp) -> Timestamp {
        let same_place = self.url.as_deref() == Some(url);
        let backs_off = same_place && self.failures > 0;
        let same = same_place && self.question.as_ref() == Some(question);
        let is_ahead = self.last.is_some_and(|last| last > now);
        match self.next {
            Some(next) if (same || backs_off) && !is_ahead => next,
            _ => now,
        }
    }
}

fn path(folder: &Folder) -> PathBuf {
    folder.path().join("poll.json")
}

fn stretched(pause: Duration, random: f64) -> Duration {
    pause.mul_f64(1.0 + JITTER * random.clamp(0.0, 1.0))
}

fn after(now: Timestamp, pause: Duration) -> Timestamp {
    let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX);
    now.checked_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(wait: Option<u64>) -> Failed {
        Failed {
            url: "https://x".to_owned(),
            fault: "503 Service Unavailable".to_owned(),
            wait: wait.map(Duration::from_secs),
        }
    }

    fn question(instance: &str) -> Question {
        Question {
            instance: instance.to_owned(),
            areas: Vec::new(),
            tenant: None,
            ipv6: true,
        }
    }

    const HOUR: Duration = Duration::from_secs(3600);
    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn pauses_double_and_follow_what_the_service_asks() {
        let mut schedule = Schedule::default();
        let table = [
            (None, 60),
            (None, 120),
            (None, 240),
            (Some(3600), 3600),
            (None, 960),
            (Some(5), 5),
        ];
        for (wait, seconds) in table {
            schedule.failed(NOW, &failed(wait), HOUR, 0.0);
            assert_eq!(schedule.next.unwrap().as_second(), seconds, "{wait:?}");
        }
        for _ in 0..40 {
            schedule.failed(NOW, &failed(None), HOUR, 0.0);
        }
        assert_eq!(schedule.next.unwrap().as_second(), 6 * 3600);
        schedule.answered(NOW, HOUR, 0.5);
        assert_eq!(schedule.next.unwrap().as_second(), 3780);
        assert_eq!((schedule.failures, schedule.fault), (0, None));
    }

    #[test]
    fn another_question_is_asked_at_once_but_not_while_the_service_is_left_alone() {
        let mut schedule = Schedule {
            question: Some(question("China")),
            url: Some("https://x".to_owned()),
            ..Schedule::default()
        };
        assert_eq!(schedule.due(&question("China"), "https://x", NOW), NOW);
        schedule.answered(NOW, HOUR, 0.0);
        let later = NOW + SignedDuration::from_secs(3600);
        let table = [
            ("China", "https://x", later),
            ("Worldwide", "https://x", NOW),
            ("China", "https://y", NOW),
        ];
        for (instance, url, due) in table {
            assert_eq!(
                schedule.due(&question(instance), url, NOW),
                due,
                "{instance} {url}"
            );
        }
        schedule.failed(NOW, &failed(Some(3600)), HOUR, 0.0);
        assert_eq!(
            schedule.due(&question("Worldwide"), "https://x", NOW),
            later
        );
        assert_eq!(schedule.due(&question("Worldwide"), "https://y", NOW), NOW);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nothing() {
        let question = question("China");
        let mut schedule = Schedule {
            question: Some(question.clone()),
            url: Some("https://x".to_owned()),
            ..Schedule::default()
        };
        let year = SignedDuration::from_hours(365 * 24);
        schedule.failed(NOW + year, &failed(None), HOUR, 0.0);
        let due = |now| schedule.due(&question, "https://x", now);
        assert_eq!(due(NOW), NOW);
        let soon = NOW + year + SignedDuration::from_secs(60);
        assert_eq!(due(NOW + year), soon);
    }

    #[test]
    fn a_schedule_outlives_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::of(dir.path(), "m365");
        assert_eq!(Schedule::read(&folder), Schedule::default());
        let mut schedule = Schedule::default();
        schedule.failed(NOW, &failed(None), HOUR, 0.0);
        schedule.write(&folder).unwrap();
        assert_eq!(Schedule::read(&folder), schedule);
    }
}
