//! The gateway's state, apart from what is counted.
//!
//! In: [`Facts`]. Out: what is told of them, and what of it an administrator should look at first.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::facts::{self, Facts, Fill};

/// How the gateway is, as it was seen last.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Gateway {
    /// Name of its mode.
    pub mode: String,
    /// Number of the generation in force.
    pub generation: u64,
    /// When that was compiled.
    pub loaded: Timestamp,
    /// While nothing is dropped.
    pub bypass: Option<Bypass>,
    /// A config on trial, or one that fell back.
    pub trial: Option<Trial>,
    /// The daemon, where one runs.
    pub daemon: Option<Daemon>,
    /// Interfaces with clients behind them.
    pub interfaces: Vec<Interface>,
    /// Learned addresses.
    pub learned: Room,
    /// Connections to them.
    pub connections: Room,
    /// Sources that follow the web service.
    pub feeds: Vec<Feed>,
    /// What `status` warns of.
    pub warnings: Vec<String>,
}

/// The pulled lever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Bypass {
    /// Seconds that are left; none where it does not end by itself.
    pub left: Option<u64>,
}

/// A config on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Trial {
    /// It goes on.
    On {
        /// When it ends.
        ends: Timestamp,
    },
    /// Nobody confirmed it in time.
    FellBack,
}

/// A running daemon.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Daemon {
    /// Seconds of processor that it took.
    pub cpu_seconds: f64,
    /// Bytes of memory that it has.
    pub memory_bytes: u64,
    /// When it started, in seconds since 1970.
    pub started: f64,
}

/// An interface, and what is attached to it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Interface {
    /// As the config names it.
    pub name: String,
    /// Whether its packets are judged.
    pub judges: bool,
    /// Whether DNS answers that leave by it teach.
    pub learns: bool,
}

/// A map with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Room {
    /// Entries in it.
    pub used: u64,
    /// How many there may be.
    pub limit: u64,
}

/// A feed.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Feed {
    /// Name of its source.
    pub source: String,
    /// The version that is approved; none of what egress brings along.
    pub version: Option<String>,
    /// When the service answered last.
    pub answered: Option<Timestamp>,
    /// Failures since.
    pub failures: u32,
    /// Whether something waits for a person.
    pub waits: bool,
    /// Whether its last answer was refused.
    pub refused: bool,
    /// Parts of endpoint sets in quarantine.
    pub quarantined: usize,
}

impl From<&Facts> for Gateway {
    fn from(facts: &Facts) -> Self {
        Self {
            mode: facts.summary.mode.clone(),
            generation: facts.generation,
            loaded: facts.loaded,
            bypass: facts.bypass.map(|bypass| Bypass {
                left: bypass.left.map(|left| left.as_secs()),
            }),
            trial: match facts.trial {
                facts::Trial::None => None,
                facts::Trial::On { ends } => Some(Trial::On { ends }),
                facts::Trial::FellBack => Some(Trial::FellBack),
            },
            daemon: facts.daemon.map(|process| Daemon {
                cpu_seconds: process.cpu,
                memory_bytes: process.resident,
                started: process.started,
            }),
            interfaces: facts.interfaces.iter().map(Interface::from).collect(),
            learned: facts.learned.into(),
            connections: facts.connections.into(),
            feeds: facts.feeds.iter().map(Feed::from).collect(),
            warnings: facts.summary.warnings.clone(),
        }
    }
}

impl From<&facts::Interface> for Interface {
    fn from(interface: &facts::Interface) -> Self {
        Self {
            name: interface.name.clone(),
            judges: interface.judges,
            learns: interface.learns,
        }
    }
}

impl From<Fill> for Room {
    fn from(Fill { used, limit }: Fill) -> Self {
        Self { used, limit }
    }
}

impl From<&facts::Feed> for Feed {
    fn from(feed: &facts::Feed) -> Self {
        Self {
            source: feed.source.clone(),
            version: feed.version.clone(),
            answered: feed.answered,
            failures: feed.failures,
            waits: feed.waits,
            refused: feed.refused,
            quarantined: feed.quarantined,
        }
    }
}
