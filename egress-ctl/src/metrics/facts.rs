//! What metrics are made of.

use std::time::Duration;

use egress_common::verdict::{Counter, Reason};
use jiff::Timestamp;

use crate::{
    dataplane::counters::{Counted, OfSet},
    proxy::Told,
    state::Summary,
};

/// All that is told, as it was at one moment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Number of the generation in force.
    pub generation: u64,
    /// When it was compiled.
    pub loaded: Timestamp,
    /// What it came to.
    pub summary: Summary,
    /// Interfaces with clients behind them.
    pub interfaces: Vec<Interface>,
    /// Packets of clients by group, action and reason; of no group where there is no name.
    pub verdicts: Vec<(Option<String>, Counted)>,
    /// Packets to clients by group, and by the reason that holds for what they answer.
    pub replies: Vec<(Option<String>, Reason, Counter)>,
    /// Packets by endpoint set.
    pub sets: Vec<(String, OfSet)>,
    /// DNS messages by outcome.
    pub dns: Vec<(&'static str, u64)>,
    /// Records of DNS answers for the daemon, by fate.
    pub lessons: Vec<(&'static str, u64)>,
    /// Records of packets for `watch`, by fate.
    pub events: Vec<(&'static str, u64)>,
    /// Learned addresses.
    pub learned: Fill,
    /// Connections to them.
    pub connections: Fill,
    /// DNS over TCP.
    pub dns_tcp: Told,
    /// Sources that follow the web service.
    pub feeds: Vec<Feed>,
    /// The emergency lever, while it is pulled.
    pub bypass: Option<Bypass>,
    /// What waits to be confirmed, or was not.
    pub trial: Trial,
    /// The daemon, where one runs.
    pub daemon: Option<Process>,
}

/// An interface with clients behind it, and what is attached to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As the config names it.
    pub name: String,
    /// Whether its packets are judged.
    pub judges: bool,
    /// Whether DNS answers that leave by it teach.
    pub learns: bool,
}

/// A map of the kernel with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Entries in it.
    pub used: u64,
    /// How many there may be.
    pub limit: u64,
}

/// What is known of one feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// Name of its source.
    pub source: String,
    /// The instance of the service that it follows.
    pub instance: String,
    /// The version that is approved; none of what egress brings along.
    pub version: Option<String>,
    /// When the service was asked last.
    pub polled: Option<Timestamp>,
    /// When it answered last.
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

/// The pulled lever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// How much time is left; none where it does not end by itself.
    pub left: Option<Duration>,
}

/// A config on trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// There is none.
    None,
    /// It goes on.
    On {
        /// When it ends, by how the clock stands now.
        ends: Timestamp,
    },
    /// Nobody confirmed it in time.
    FellBack,
}

/// What a process takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Process {
    /// CPU time, in seconds.
    pub cpu: f64,
    /// Memory that it has in RAM, in bytes.
    pub resident: u64,
    /// Address space, in bytes.
    pub virtual_memory: u64,
    /// When it started, in seconds since 1970.
    pub started: f64,
}
