//! What somebody asks the daemon to do.

use std::{ops::RangeInclusive, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use egress_common::verdict::Mode;
use tracing::warn;

use super::{Daemon, control::Who};
use crate::{
    catalogue::nearest::nearest,
    config::{Config, edit},
    control::Request,
    lever::{
        bypass::{self, Moved},
        trial::Attempt,
    },
};

/// How long a confirmation may be waited for, in ms: from a second to a day.
const WITHIN_MS: RangeInclusive<u64> = 1_000..=86_400_000;

impl Daemon {
    /// Does it; what was done, in words.
    pub(super) async fn carry_out(&mut self, request: Request, who: Who) -> Result<String> {
        let Who { by, session } = who;
        match request {
            Request::Enforce { group, within_ms } => {
                let (what, text) = self.enforcing(group.as_deref())?;
                let attempt = Attempt {
                    what,
                    text,
                    by,
                    session,
                };
                self.try_out(attempt, within(within_ms)?).await
            }
            Request::Apply {
                from,
                text,
                within_ms,
            } => {
                let attempt = Attempt {
                    what: format!("the config of {}", from.display()),
                    text,
                    by,
                    session,
                };
                self.try_out(attempt, within(within_ms)?).await
            }
            Request::Events { .. } | Request::Hello => {
                bail!("that is answered at the socket, without the daemon's loop")
            }
            Request::Confirm { same_session } => self.confirm(session, same_session).await,
            Request::GiveUp => self.give_up().await,
            Request::Bypass { on, within_ms } => {
                let time = within_ms.map(Duration::from_millis);
                let moved = match on {
                    true => bypass::begin(&self.places, time, by)?,
                    false => bypass::end(&self.places)?,
                };
                let told = moved.told(on, time);
                warn!("{told}");
                match moved {
                    Moved::InKernel(fault) => bail!("{told}; but {fault}: {}", fault.source),
                    Moved::Whole | Moved::OnDisk => Ok(told),
                }
            }
        }
    }

    /// The config in force with the mode `enforce`, for one group or the gateway, and what that is in words.
    fn enforcing(&self, group: Option<&str>) -> Result<(String, String)> {
        self.check_no_trial()?;
        let force = self.force.as_ref().context("nothing is in force yet")?;
        self.check_file(&[&force.text])?;
        let what = match group {
            None => of_gateway(&force.config)?,
            Some(name) => of_group(&force.config, name)?,
        };
        let edited = edit::enforce(&force.text, &force.config, group).with_context(|| {
            format!(
                "the mode cannot be set in {} as it is written: write it into a copy, and try that with `egress-ctl config apply`",
                self.config.display()
            )
        })?;
        Ok((what, edited))
    }
}

fn within(ms: u64) -> Result<Duration> {
    ensure!(
        WITHIN_MS.contains(&ms),
        "a confirmation is waited for from a second to a day"
    );
    Ok(Duration::from_millis(ms))
}

fn of_gateway(config: &Config) -> Result<String> {
    let others = config.groups.iter().filter_map(|group| {
        let mode = group.mode.filter(|mode| *mode != Mode::Enforce)?;
        Some(format!("group {} is in mode {}", group.name, mode.name()))
    });
    let others: Vec<_> = others.collect();
    let but = match others.is_empty() {
        true => String::new(),
        false => format!(", but by a mode of its own {}", others.join(", ")),
    };
    ensure!(
        config.gateway.mode != Mode::Enforce,
        "the gateway's mode is enforce already{but}"
    );
    Ok(format!("mode enforce{but}"))
}

fn of_group(config: &Config, name: &str) -> Result<String> {
    let found = config.groups.iter().find(|group| group.name == name);
    let Some(group) = found else {
        let known: Vec<_> = config
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect();
        let near = nearest(name, known.iter().copied(), |known| (*known).to_owned());
        let near: String = near
            .take(1)
            .map(|near| format!(", the nearest is `{near}`"))
            .collect();
        bail!(
            "there is no group `{name}`{near}; known: {}",
            known.join(", ")
        );
    };
    ensure!(
        config.gateway.mode != Mode::Off,
        "gateway.mode is off, so no group is judged, whatever its own mode says"
    );
    ensure!(
        group.mode.unwrap_or(config.gateway.mode) != Mode::Enforce,
        "group {name} is in mode enforce already"
    );
    Ok(format!("mode enforce of group {name}"))
}
