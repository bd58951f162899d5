//! What became of clients' packets, summed.

use std::{collections::BTreeMap, net::IpAddr};

use egress_common::{flow::proto, parse::parse};
use schemars::JsonSchema;
use serde::Serialize;

use super::stage::Outcome;

/// Packets and their bytes on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Sum {
    /// How many.
    pub packets: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// A destination as a client asks for it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
pub struct Destination {
    /// Its address.
    pub address: IpAddr,
    /// Protocol by name, or by number.
    pub protocol: String,
    /// Port; 0 where the protocol has none.
    pub port: u16,
}

impl Destination {
    /// Of a frame that can be read.
    pub fn of(frame: &[u8]) -> Option<Self> {
        let flow = parse(frame).ok()?.flow;
        let has_ports = [proto::TCP, proto::UDP, proto::SCTP].contains(&flow.proto);
        Some(Self {
            address: flow.dst.into(),
            protocol: protocol(flow.proto),
            port: if has_ports { flow.dst_port } else { 0 },
        })
    }
}

fn protocol(number: u8) -> String {
    match number {
        proto::TCP => "tcp".to_owned(),
        proto::UDP => "udp".to_owned(),
        proto::SCTP => "sctp".to_owned(),
        proto::ICMP | proto::ICMPV6 => "icmp".to_owned(),
        other => other.to_string(),
    }
}

/// Packets by what became of them, by client and by destination.
#[derive(Debug, Default)]
pub struct Tally {
    /// By outcome.
    pub outcomes: BTreeMap<Outcome, Sum>,
    /// By client and outcome.
    pub clients: BTreeMap<(Option<IpAddr>, Outcome), Sum>,
    /// By destination, of packets that do not pass or would not.
    pub denied: BTreeMap<(Destination, Outcome), Sum>,
}

impl Tally {
    /// Adds a packet.
    pub fn add(
        &mut self,
        client: Option<IpAddr>,
        destination: Option<&Destination>,
        outcome: &Outcome,
        bytes: usize,
    ) {
        self.outcomes.entry(outcome.clone()).or_default().add(bytes);
        let of_client = self.clients.entry((client, outcome.clone())).or_default();
        of_client.add(bytes);
        if let Some(destination) = destination.filter(|_| !outcome.reason.passes()) {
            let key = (destination.clone(), outcome.clone());
            self.denied.entry(key).or_default().add(bytes);
        }
    }
}

/// Packets that two policies judge differently.
#[derive(Debug, Default)]
pub struct Changes {
    /// By client, destination, and what became of it before and after.
    pub changes: BTreeMap<(Option<IpAddr>, Option<Destination>, Outcome, Outcome), Sum>,
}

impl Changes {
    /// Adds a packet, if it makes a difference to somebody: it passes by one policy alone.
    pub fn add(
        &mut self,
        client: Option<IpAddr>,
        destination: Option<&Destination>,
        (before, after): (&Outcome, &Outcome),
        bytes: usize,
    ) {
        if before.action == after.action && before.reason.passes() == after.reason.passes() {
            return;
        }
        let key = (client, destination.cloned(), before.clone(), after.clone());
        self.changes.entry(key).or_default().add(bytes);
    }
}
