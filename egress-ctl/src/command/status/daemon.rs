//! The daemon, as `status` tells of it: whether it runs, answers, and holds events.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    control::{
        Hello,
        client::{AskError, hello},
    },
    daemon::{self, Places},
    history::record::Head,
};

/// A daemon, or that there is none.
#[derive(JsonSchema, Serialize)]
pub(super) struct Daemon {
    pub(super) running: bool,
    pub(super) pid: Option<u32>,
    /// Whether it answers; unknown where none runs, or where this user may not ask.
    pub(super) answers: Option<bool>,
    /// Its version, where it tells.
    pub(super) version: Option<String>,
    /// Why it does not answer.
    pub(super) silent: Option<String>,
}

/// Events that it holds for `watch`.
#[derive(JsonSchema, Serialize)]
pub(super) struct History {
    held: usize,
    bound: usize,
    oldest: Option<Timestamp>,
    gone: u64,
    /// How many follow.
    watchers: usize,
}

/// Looks for a daemon, and asks it.
pub(super) fn look(places: &Places) -> (Daemon, Option<History>) {
    let pid = daemon::holder(&places.state_dir);
    let mut found = Daemon {
        running: pid.is_some(),
        pid,
        answers: None,
        version: None,
        silent: None,
    };
    if pid.is_none() {
        return (found, None);
    }
    match hello(&places.state_dir) {
        Ok(told) => {
            found.answers = Some(true);
            let history = History::of(&told);
            found.version = Some(told.version);
            (found, history)
        }
        Err(fault) => {
            found.answers = (!matches!(fault, AskError::Denied(_))).then_some(false);
            found.silent = Some(why(&fault));
            (found, None)
        }
    }
}

fn why(fault: &AskError) -> String {
    match fault {
        AskError::Silent { source, .. } => format!("it does not answer ({source})"),
        AskError::NoDaemon(_) => "it does not listen yet, or not any more".to_owned(),
        other => other.to_string(),
    }
}

impl Daemon {
    /// Whether it is another version than this command.
    pub(super) fn is_other(&self) -> bool {
        let version = self.version.as_deref();
        version.is_some_and(|version| version != env!("CARGO_PKG_VERSION"))
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return f.write_str("not running; what is attached goes on");
        };
        write!(f, "running, process {pid}")?;
        if let Some(version) = self.version.as_ref().filter(|_| self.is_other()) {
            write!(f, ", of version {version}")?;
        }
        match &self.silent {
            Some(why) => write!(f, ", but {why}: what follows is from the maps"),
            None => Ok(()),
        }
    }
}

impl History {
    fn of(told: &Hello) -> Option<Self> {
        let Head {
            held,
            bound,
            oldest,
            gone,
            ..
        } = told.history.as_ref()?;
        Some(Self {
            held: *held,
            bound: *bound,
            oldest: *oldest,
            gone: *gone,
            watchers: told.watchers,
        })
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} are held", self.held, self.bound)?;
        if let Some(oldest) = self.oldest {
            let oldest = oldest.to_zoned(TimeZone::system());
            write!(f, ", the oldest of {}", oldest.strftime("%F %T"))?;
        }
        match self.watchers {
            0 => Ok(()),
            watchers => write!(f, "; {watchers} watch"),
        }
    }
}
