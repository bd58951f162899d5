//! What a running daemon is asked to do: `STATE/control.sock`.
//!
//! One request a connection, as a line of JSON; then one reply. The socket belongs to root and a group, and
//! whoever connects is looked at once more by the credentials that the kernel vouches for.

pub mod client;
pub mod peer;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::history::record::Head;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// To enforce, unless nobody confirms it in time.
    Enforce {
        /// One group; the gateway as a whole where there is none.
        group: Option<String>,
        /// How long to wait for the confirmation, in ms.
        within_ms: u64,
    },
    /// To put another config into force, unless nobody confirms it in time.
    Apply {
        /// Where its text was read.
        from: PathBuf,
        /// Its text.
        text: String,
        /// How long to wait for the confirmation, in ms.
        within_ms: u64,
    },
    /// To let hold what is on trial.
    Confirm {
        /// Also from the session that began it.
        same_session: bool,
    },
    /// To do without what is on trial, at once.
    GiveUp,
    /// To pull the emergency lever, or to put it back.
    Bypass {
        /// Which of both.
        on: bool,
        /// For how long, in ms; until it is put back where there is nothing.
        within_ms: Option<u64>,
    },
    /// Events that are held, and those to come: lines of [`Line`](crate::history::record::Line) instead of a
    /// reply. Whoever asks keeps its side open for as long as it listens.
    Events {
        /// The newest ones, so many at most; all that are held where there is nothing.
        last: Option<usize>,
        /// Also those to come.
        follow: bool,
    },
    /// Who it is, and what it holds.
    Hello,
}

impl Request {
    /// In a word, for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Enforce { .. } => "enforce",
            Self::Apply { .. } => "config apply",
            Self::Confirm { .. } => "confirm",
            Self::GiveUp => "confirm --give-up",
            Self::Bypass { on: true, .. } => "bypass on",
            Self::Bypass { on: false, .. } => "bypass off",
            Self::Events { .. } => "watch",
            Self::Hello => "status",
        }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Reply {
    /// It is done.
    Done {
        /// In words.
        told: String,
    },
    /// It is not, and nothing has changed but for what is told.
    Refused {
        /// Why, and what to do.
        why: String,
    },
    /// Who answers.
    Hello(Hello),
}

/// A daemon, as it tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub pid: u32,
    /// Events that it holds; nothing where it keeps none.
    pub history: Option<Head>,
    /// How many watch.
    pub watchers: usize,
}

/// Longest request: a config with very many addresses.
pub const REQUEST_MAX: u64 = 16 << 20;

/// Where the daemon of a state folder listens.
pub fn path(state_dir: &Path) -> PathBuf {
    state_dir.join("control.sock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lines_of_json() {
        let request = Request::Enforce {
            group: None,
            within_ms: 300_000,
        };
        let text = serde_json::to_string(&request).unwrap();
        assert_eq!(text, r#"{"do":"enforce","group":null,"within_ms":300000}"#);
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
        for damage in [
            "",
            "{}",
            r#"{"do":"enforc"}"#,
            r#"{"do":"confirm","same_session":1}"#,
        ] {
            assert!(serde_json::from_str::<Request>(damage).is_err(), "{damage}");
        }
    }
}
