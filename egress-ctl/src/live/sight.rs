//! What was seen at one moment.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{feed::traffic::Traffic, metrics::facts::Facts};

/// What was seen at one moment; not all of it is looked at each time.
#[derive(Clone, Debug)]
pub struct Sight {
    /// When, by the boot-time clock.
    pub at: Duration,
    /// When, by the wall clock.
    pub time: Timestamp,
    /// What monitoring is told.
    pub facts: Facts,
    /// Allowed packets by destination.
    pub traffic: Option<Vec<Traffic>>,
    /// Connections to learned addresses, by client.
    pub connections: Option<BTreeMap<IpAddr, u64>>,
    /// Names that DNS answers gave an address for, the newest first.
    pub names: Option<Vec<Named>>,
}

/// A name that an answer gave an address for.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Named {
    /// The name that was asked for.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// The pattern that lists the name; none where no pattern does, and nothing is learned.
    pub pattern: Option<String>,
    /// Who asked last, where that is known.
    pub client: Option<IpAddr>,
    /// The last answer.
    pub last: Timestamp,
}
