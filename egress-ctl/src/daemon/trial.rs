//! Trials: a config in force until a time, and the one before again unless somebody confirms it.
//!
//! The kernel goes back by itself; the daemon notes it, tells it, and goes back as a whole. Meanwhile other
//! changes wait, since the half of the tables that they would fill is the one to go back to.

use std::{fs, io, os::unix::fs::chown, path::Path, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use egress_common::trial::{NEVER_MS, Trial as Known};
use tracing::{error, info, warn};

use super::{Daemon, enforce::Force};
use crate::{
    config::{Config, ConfigError},
    dataplane::{
        maps::Pinned,
        swap::{self, SwapError},
        trial,
    },
    durable,
    feed::standing::Feeds,
    lever::{
        deadline::{Deadline, Now, countdown},
        trial::{Attempt, Trial},
    },
    state::{Snapshot, StateDir},
};

/// What is on trial, and what it goes back to.
pub(super) struct OnTrial {
    record: Trial,
    before: Force,
}

impl OnTrial {
    /// Where there is a trial, there is something before it.
    pub(super) fn of(record: Option<Trial>, before: Option<Force>) -> Option<Self> {
        let (record, before) = record.zip(before)?;
        Some(Self { record, before })
    }

    /// When a trial ends, by the boot-time clock in ms.
    pub(super) fn until_ms(record: &Trial) -> u64 {
        record.deadline.boot_ms(&Now::read())
    }

    /// Notes interfaces for the generation to go back to as well.
    pub(super) fn fill_places(
        &self,
        pinned: Pinned<'_>,
        interfaces: &[(String, u32)],
    ) -> Result<(), SwapError> {
        let membership = &self.before.generation.membership;
        swap::fill_places(pinned, self.record.back, membership, interfaces)
    }

    fn left(&self) -> Option<Duration> {
        self.record.deadline.left(&Now::read())
    }
}

impl Daemon {
    /// Goes on with what a daemon before had on trial, or puts the config into force.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let Some(record) = self.left_on_trial()? else {
            return self.put_into_force().await;
        };
        let resumed = self.resume(record.clone()).await;
        let Err(fault) = resumed else {
            return Ok(());
        };
        self.on_trial = None;
        self.go_back_in_kernel()?;
        self.note_fallen(
            record,
            format!("the daemon could not go on with it: {fault:#}"),
        );
        self.put_into_force().await
    }

    /// The trial that goes on; what is over is told and noted.
    fn left_on_trial(&mut self) -> Result<Option<Trial>> {
        let state_dir = &self.places.state_dir;
        let record = match Trial::read(state_dir) {
            Ok(record) => record.filter(|record| record.fallen.is_none()),
            Err(fault) => {
                error!("{fault}: {}", fault.source);
                None
            }
        };
        let known = trial::known(Pinned(&self.places.pin_dir))?;
        let Some(record) = record else {
            self.go_back_in_kernel()?;
            return Ok(None);
        };
        let is_it = known.number == record.number && self.past.in_force == record.number;
        if is_it && known.until_ms == NEVER_MS {
            // Its daemon ended before it could forget it.
            Trial::forget(state_dir)?;
            return Ok(None);
        }
        if is_it {
            return Ok(Some(record));
        }
        let now = Now::read();
        let why = if !record.deadline.is_of_this_boot(&now) {
            "the machine was restarted before anybody confirmed it".to_owned()
        } else if record.deadline.left(&now).is_none() {
            nobody(&record)
        } else {
            "its generation was not in force any more when the daemon started".to_owned()
        };
        self.go_back_in_kernel()?;
        self.note_fallen(record, why);
        Ok(None)
    }

    async fn resume(&mut self, record: Trial) -> Result<()> {
        let before = self.force_of(record.back)?;
        let force = self.force_of(record.number)?;
        self.go_on(force).await?;
        if let Some(left) = record.deadline.left(&Now::read()) {
            warn!(
                "{} is on trial for another {}",
                record.what,
                countdown(left)
            );
        }
        self.on_trial = Some(OnTrial { record, before });
        Ok(())
    }

    /// A generation, compiled again from what it was made from.
    fn force_of(&self, number: u64) -> Result<Force> {
        let loaded = StateDir(&self.places.state_dir).load(number)?;
        let missing = || format!("there is no file of generation {number}");
        let Snapshot {
            config: path,
            text,
            own,
            today,
            feeds,
            ..
        } = loaded.with_context(missing)?;
        let feeds = Feeds::Of {
            state_dir: self.places.state_dir.clone(),
            editions: feeds,
        };
        let config =
            Config::parse_with(&text, &feeds).map_err(|problems| ConfigError { path, problems })?;
        self.compiled(config, text, own, today)
            .map(|(force, _)| force)
    }

    /// Puts a config on trial.
    pub(super) async fn try_out(&mut self, attempt: Attempt, within: Duration) -> Result<String> {
        self.check_no_trial()?;
        let force = self.force.as_ref().context("nothing is in force yet")?;
        ensure!(
            attempt.text != force.text,
            "this very config is in force already, for good"
        );
        self.check_file(&[&force.text, &attempt.text])?;
        let feeds = Feeds::approved(&self.places.state_dir, self.past.feeds.clone());
        let parsed = Config::parse_with(&attempt.text, &feeds);
        let path = self.config.clone();
        let config = parsed.map_err(|problems| ConfigError { path, problems })?;
        let deadline = Deadline::after(within, &Now::read());
        let numbers = (self.past.next(), self.past.in_force);
        let record = Trial::new(attempt, numbers, force.text.clone(), deadline);
        record.write(&self.places.state_dir)?;
        let text = record.text.clone();
        let put = self.put(config, text, Some(record.clone())).await;
        if self.on_trial.is_none() {
            Trial::forget(&self.places.state_dir)?;
        }
        put?;
        let Trial {
            what, number, back, ..
        } = record;
        let told = format!(
            "{what} is on trial, in generation {number}: confirm it within {} by `egress-ctl confirm`, from a new connection, or generation {back} is back",
            countdown(within)
        );
        warn!("{told}");
        Ok(told)
    }

    /// Refuses where something is on trial already.
    pub(super) fn check_no_trial(&self) -> Result<()> {
        let Some(OnTrial { record, .. }) = &self.on_trial else {
            return Ok(());
        };
        bail!(
            "{} is on trial: first `egress-ctl confirm` it, or do without by `egress-ctl confirm --give-up`",
            record.what
        )
    }

    /// Lets what is on trial hold for good.
    pub(super) async fn confirm(
        &mut self,
        session: Option<u32>,
        same_session: bool,
    ) -> Result<String> {
        self.look_at_trial().await;
        let Some(OnTrial { record, .. }) = &self.on_trial else {
            bail!("nothing is on trial{}", self.last_fallen());
        };
        ensure!(
            same_session || session.is_none() || session != record.session,
            "this is the session that began it: confirm from a new connection, which shows that one can be made; or say --same-session"
        );
        self.check_file(&[&record.before, &record.text])?;
        let path = fs::canonicalize(&self.config).context("cannot find the config")?;
        replace(&path, &record.text).with_context(|| {
            format!(
                "it is not confirmed, since it cannot be written to {}",
                path.display()
            )
        })?;
        let pinned = Pinned(&self.places.pin_dir);
        trial::confirm(pinned, trial::known(pinned)?)?;
        let told = format!(
            "{} holds, in generation {}; {} says so",
            record.what,
            record.number,
            self.config.display()
        );
        Trial::forget(&self.places.state_dir)?;
        info!("confirmed: {told}");
        self.on_trial = None;
        self.catch_up().await;
        Ok(told)
    }

    /// Does without what is on trial, at once.
    pub(super) async fn give_up(&mut self) -> Result<String> {
        let Some(OnTrial { record, .. }) = &self.on_trial else {
            bail!("nothing is on trial{}", self.last_fallen());
        };
        let told = format!("{} is over: what was before is back", record.what);
        self.fall_back("it was given up".to_owned()).await?;
        Ok(told)
    }

    /// How long the trial takes; a long time where there is none.
    pub(super) fn trial_left(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        match &self.on_trial {
            Some(trial) => trial.left().unwrap_or_default().min(LONG),
            None => LONG,
        }
    }

    /// Goes back where the time is over.
    pub(super) async fn look_at_trial(&mut self) {
        let Some(trial) = self
            .on_trial
            .as_ref()
            .filter(|trial| trial.left().is_none())
        else {
            return;
        };
        let why = nobody(&trial.record);
        if let Err(fault) = self.fall_back(why).await {
            error!("the kernel went back by itself, but the daemon did not: {fault:#}");
        }
    }

    async fn fall_back(&mut self, why: String) -> Result<()> {
        self.go_back_in_kernel()?;
        let Some(OnTrial { record, before }) = self.on_trial.take() else {
            return Ok(());
        };
        self.force = Some(before);
        StateDir(&self.places.state_dir).remove(record.number);
        self.note_fallen(record, why);
        self.waits = false;
        let back = self.past.in_force;
        if let Err(fault) = self.put_into_force().await {
            error!("{fault:#}\n      generation {back} stays in force");
        }
        Ok(())
    }

    /// Makes the generation before a trial the one in force, if one is on trial in the kernel.
    fn go_back_in_kernel(&mut self) -> Result<()> {
        let pinned = Pinned(&self.places.pin_dir);
        let known = trial::known(pinned)?;
        if known == Known::default() || known.until_ms == NEVER_MS {
            return Ok(());
        }
        let is_in_force = pinned.generation()?.get(&0, 0)? == known.number;
        if !is_in_force {
            return Ok(trial::note(pinned, Known::default())?);
        }
        trial::go_back(pinned, known)?;
        self.past.in_force = known.back;
        self.past.last = self.past.last.max(known.number);
        Ok(())
    }

    fn note_fallen(&self, record: Trial, why: String) {
        error!(
            "FELL BACK: {} does not hold, since {why}; generation {} is back",
            record.what, record.back
        );
        if let Err(fault) = record.fallen(why).write(&self.places.state_dir) {
            error!(
                "{fault}: {}: the next daemon may try it again",
                fault.source
            );
        }
    }

    fn last_fallen(&self) -> String {
        let read = Trial::read(&self.places.state_dir).ok().flatten();
        let fallen = read.and_then(|record| Some((record.what, record.fallen?)));
        fallen.map_or_else(String::new, |(what, fallen)| {
            format!(
                ": {what} fell back at {:.0}, since {}",
                fallen.at, fallen.why
            )
        })
    }

    /// Whether a change has to wait for the end of a trial; it is told.
    pub(super) fn must_wait(&mut self) -> bool {
        let Some(OnTrial { record, .. }) = &self.on_trial else {
            return false;
        };
        warn!(
            "{} is on trial: other changes wait for its end",
            record.what
        );
        self.waits = true;
        true
    }

    async fn catch_up(&mut self) {
        if std::mem::take(&mut self.waits) {
            self.reload().await;
        }
    }

    /// The config to put into force: that of the file, but not a text that was tried and nobody confirmed.
    pub(super) fn wanted_config(&self) -> Result<(Config, String)> {
        let state_dir = &self.places.state_dir;
        let feeds = Feeds::approved(state_dir, self.past.feeds.clone());
        let (config, text) = Config::read(&self.config, &feeds)?;
        let record = Trial::read(state_dir).ok().flatten();
        let Some(record) = record.filter(|record| record.refuses(&text)) else {
            return Ok((config, text));
        };
        warn!(
            "{} holds what nobody confirmed: the config before holds; change the file, or try it again with `egress-ctl config apply`",
            self.config.display()
        );
        let path = self.config.clone();
        let config = Config::parse_with(&record.before, &feeds)
            .map_err(|problems| ConfigError { path, problems })?;
        Ok((config, record.before))
    }

    /// Forgets a trial that fell back once somebody put another config into force.
    pub(super) fn let_go_of_fallen(&self) {
        let state_dir = &self.places.state_dir;
        let (Ok(Some(record)), Some(force)) = (Trial::read(state_dir), &self.force) else {
            return;
        };
        if record.fallen.is_some()
            && record.before != force.text
            && let Err(fault) = Trial::forget(state_dir)
        {
            warn!("{fault}: {}", fault.source);
        }
    }

    /// Refuses where the config's file holds something that is neither in force nor tried: it would be lost.
    pub(super) fn check_file(&self, known: &[&str]) -> Result<()> {
        let path = self.config.display();
        let text =
            fs::read_to_string(&self.config).with_context(|| format!("cannot read {path}"))?;
        ensure!(
            known.contains(&text.as_str()),
            "{path} holds changes that are not in force: put them into force or take them back first"
        );
        Ok(())
    }
}

fn nobody(record: &Trial) -> String {
    format!(
        "nobody confirmed it before {:.0}",
        record.deadline.at(&Now::read())
    )
}

/// Writes a text in the place of a file, which keeps its owner and rights.
fn replace(path: &Path, text: &str) -> Result<()> {
    if fs::read_to_string(path)? == text {
        return Ok(());
    }
    let before = fs::metadata(path)?;
    durable::replace(path, text.as_bytes())?;
    fs::set_permissions(path, before.permissions())?;
    let owned: io::Result<()> = {
        use std::os::unix::fs::MetadataExt as _;
        chown(path, Some(before.uid()), Some(before.gid()))
    };
    Ok(owned?)
}
