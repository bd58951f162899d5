//! What is shown, as `top --json` prints it and the page asks for it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    gateway::Gateway,
    recent::{DeniedClient, DeniedDestination},
    sight::Named,
    track::Measured,
};
use crate::{feed::traffic::Origin, schema::Kind};

/// Of a [`Picture`].
pub(super) const KIND: Kind =
    Kind::of::<Picture>("egress.live/1", "egress-ctl top --json, a line each time");

/// Everything, as it was at one moment. Rates are those between the last two looks.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Picture {
    /// `egress.live/1`: fields may be added.
    pub schema: &'static str,
    /// When it was looked last; never yet where there is nothing.
    pub time: Option<Timestamp>,
    /// Why nothing newer could be seen, since the last look or the start.
    pub fault: Option<Fault>,
    /// How the gateway was then.
    pub gateway: Option<Gateway>,
    /// Packets of all clients, counted.
    pub total: Packets,
    /// The same by group, counted.
    pub groups: Vec<Group>,
    /// The same by what was done and why, counted.
    pub reasons: Vec<OfReason>,
    /// Allowed packets by endpoint set, counted.
    pub sets: Vec<Set>,
    /// Allowed packets by destination, counted.
    pub destinations: Vec<Destination>,
    /// DNS messages by outcome, counted.
    pub dns: Vec<OfOutcome>,
    /// Names that answers gave an address for lately, the newest first.
    pub names: Vec<Named>,
    /// What events tell of the last minute.
    pub recent: OfEvents,
    /// Tables that a filter leaves whole, because they do not know what it asks for.
    pub not_narrowed: Vec<&'static str>,
}

/// Why nothing could be seen.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fault {
    /// Since when.
    pub since: Timestamp,
    /// Why, and what to do.
    pub why: String,
}

/// Packets by what became of them.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct Packets {
    /// Those that are allowed.
    pub allowed: Measured,
    /// Those that pass although they are not allowed.
    pub would_drop: Measured,
    /// Those that were dropped or rejected.
    pub denied: Measured,
    /// Those that came back.
    pub replies: Measured,
}

/// Packets of a group.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Group {
    /// Its name; none of clients that are in no group.
    pub group: Option<String>,
    /// What became of them.
    #[serde(flatten)]
    pub packets: Packets,
}

/// Packets that were judged so.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct OfReason {
    /// What was done with them.
    pub action: &'static str,
    /// Name of the reason.
    pub reason: &'static str,
    /// The clients' group; none where they are in no group.
    pub group: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub measured: Measured,
}

/// Allowed packets of an endpoint set.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Set {
    /// Its key.
    pub set: String,
    /// What clients sent.
    pub sent: Measured,
    /// What came back.
    pub replies: Measured,
}

/// Allowed packets to a destination.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Destination {
    /// The pattern that taught it, or the address.
    pub destination: Origin,
    /// Key of the endpoint set.
    pub set: String,
    /// The client group; none where groups are not counted apart.
    pub group: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub measured: Measured,
}

/// DNS messages that came to the same.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct OfOutcome {
    /// To what.
    pub outcome: &'static str,
    /// How many, since the maps were made.
    pub messages: u64,
    /// How many a second.
    pub messages_per_second: f64,
}

/// What events tell: of a client all packets are counted, of destinations a sample is told.
#[derive(Clone, Debug, Default, PartialEq, JsonSchema, Serialize)]
pub struct OfEvents {
    /// How many seconds they are of, at most.
    pub seconds: i64,
    /// Why there are none, where somebody else reads them or nobody can.
    pub fault: Option<String>,
    /// Events by what became of them, counted since the maps were made.
    pub fates: Vec<OfFate>,
    /// Clients that were denied something, those with most packets first.
    pub clients: Vec<DeniedClient>,
    /// What they were denied, that with most events first.
    pub destinations: Vec<DeniedDestination>,
}

/// Events that had the same fate.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct OfFate {
    /// Which.
    pub fate: &'static str,
    /// How many.
    pub events: u64,
    /// How many a second.
    pub events_per_second: f64,
}
