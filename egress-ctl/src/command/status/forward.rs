//! Fast paths, as `status` tells of them.

use std::fmt;

use anyhow::Result;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    daemon::Places,
    dataplane::{counters, maps::Pinned},
    forward::told::{self, State, Told},
};

/// The fast paths of the config, and what became of packets.
#[derive(JsonSchema, Serialize)]
pub(super) struct FastPaths {
    pairs: Vec<Told>,
    pub(super) packets: Vec<PacketCount>,
}

/// Packets by what became of them.
#[derive(JsonSchema, Serialize)]
pub(super) struct PacketCount {
    pub(super) fate: &'static str,
    pub(super) packets: u64,
}

impl FastPaths {
    /// As they are told now.
    pub(super) fn read(places: &Places, daemon_runs: bool) -> Result<Self> {
        let counted = counters::forwards(Pinned(&places.pin_dir))?.into_iter();
        let packets = counted.map(|(fate, packets)| PacketCount {
            fate: fate.name(),
            packets,
        });
        Ok(Self {
            pairs: told::read(&places.state_dir, daemon_runs),
            packets: packets.collect(),
        })
    }

    /// A line for each pair and family.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let families = |told: &Told| {
            let Told {
                from,
                to,
                ipv4,
                ipv6,
            } = told;
            [("IPv4", ipv4), ("IPv6", ipv6)]
                .map(|(family, state)| format!("{from} to {to}, {family}: {}", Shown(state)))
        };
        self.pairs.iter().flat_map(families)
    }
}

/// A state in words.
struct Shown<'a>(&'a State);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.why {
            None => f.write_str("on"),
            Some(why) => write!(f, "OFF: {why}"),
        }
    }
}
