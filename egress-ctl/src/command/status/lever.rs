//! What was moved by hand, as `status` tells of it: loudly.

use std::{fmt, time::Duration};

use anyhow::Result;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    daemon::Places,
    lever::{
        bypass::{self, State},
        deadline::{Now, countdown},
        trial,
    },
};

/// The emergency lever, while it is pulled.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Bypass {
    /// Since when, and who pulled it, as far as the disk says.
    since: Option<Timestamp>,
    by: Option<String>,
    /// Seconds that are left; none where it does not end by itself.
    left: Option<u64>,
    /// Whether it outlives a reboot.
    noted: bool,
}

impl Bypass {
    /// The lever, if it is pulled now.
    pub(crate) fn now(places: &Places) -> Result<Option<Self>> {
        let state = bypass::now(places)?;
        Ok(state.map(|State { noted, left }| Self {
            since: noted.as_ref().map(|noted| noted.since),
            by: noted
                .as_ref()
                .and_then(|noted| Some(noted.by.as_ref()?.to_string())),
            left: left.map(|left| left.as_secs()),
            noted: noted.is_some(),
        }))
    }
}

impl fmt::Display for Bypass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ON: NOTHING IS DROPPED")?;
        if let Some(since) = self.since {
            write!(f, ", since {since:.0}")?;
        }
        if let Some(by) = &self.by {
            write!(f, " by {by}")?;
        }
        match self.left {
            Some(left) => write!(f, "; ends in {}", countdown(Duration::from_secs(left)))?,
            None => f.write_str("; until `egress-ctl bypass off`")?,
        }
        if !self.noted {
            f.write_str("; it is not on disk, and would not outlive a reboot")?;
        }
        Ok(())
    }
}

/// A config on trial, or one that nobody confirmed.
#[derive(JsonSchema, Serialize)]
pub(crate) struct Trial {
    /// In words.
    what: String,
    by: String,
    began: Timestamp,
    /// Number of its generation.
    generation: u64,
    /// Number of the one before.
    back: u64,
    /// Seconds that are left; none once it is over.
    left: Option<u64>,
    /// When it was found over, and why.
    fell_back: Option<FellBack>,
}

#[derive(JsonSchema, Serialize)]
struct FellBack {
    at: Timestamp,
    why: String,
}

impl Trial {
    /// The trial that the disk knows. One whose time is over has fallen back, also where no daemon noted it.
    pub(crate) fn known(places: &Places) -> Option<Self> {
        let now = Now::read();
        let record = trial::Trial::read(&places.state_dir).ok().flatten()?;
        let left = record.deadline.left(&now);
        let noted = record.fallen.map(|fallen| FellBack {
            at: fallen.at,
            why: fallen.why,
        });
        let unnoted = || FellBack {
            at: record.deadline.at(&now),
            why: "nobody confirmed it in time".to_owned(),
        };
        let is_over = noted.is_some() || left.is_none();
        Some(Self {
            what: record.what,
            by: record.by.to_string(),
            began: record.began,
            generation: record.number,
            back: record.back,
            left: left.filter(|_| !is_over).map(|left| left.as_secs()),
            fell_back: is_over.then(|| noted.unwrap_or_else(unnoted)),
        })
    }

    /// Whether it does not hold any more.
    pub(super) fn fell_back(&self) -> bool {
        self.fell_back.is_some()
    }

    /// What its line is called.
    pub(crate) fn title(&self) -> &'static str {
        match self.fell_back {
            Some(_) => "FELL BACK",
            None => "ON TRIAL",
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            by,
            began,
            generation,
            back,
            left,
            fell_back,
        } = self;
        write!(f, "{what}, by {by} since {began:.0}")?;
        match (fell_back, left) {
            (Some(FellBack { at, why }), _) => {
                write!(f, ", DOES NOT HOLD any more since {at:.0}: {why}")
            }
            (None, left) => {
                let left = countdown(Duration::from_secs(left.unwrap_or(0)));
                write!(
                    f,
                    ", in generation {generation}: `egress-ctl confirm` it within {left}, or generation {back} is back"
                )
            }
        }
    }
}
