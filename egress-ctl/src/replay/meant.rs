//! Which packets of a capture a filter means.
//!
//! In: a filter, and the capture's DNS answers. Out: whether a packet that came to an outcome is meant, by the
//! names that answers before it gave its destination.

use std::{collections::HashMap, net::IpAddr};

use egress_common::{
    flow::{Flow, proto},
    parse::parse,
};

use super::stage::Outcome;
use crate::{
    dns::heard::{Answer, answer},
    filter::{Filter, Subject},
};

/// Addresses whose names are kept; those that come later have none.
const ADDRESSES: usize = 65_536;
/// Names of one address that are kept, those given last.
const NAMES: usize = 16;
/// Bytes of a UDP header.
const UDP_HEADER: usize = 8;

/// A filter, and what it needs to know of names.
#[derive(Debug, Default)]
pub struct Meant {
    filter: Filter,
    names: HashMap<IpAddr, Vec<String>>,
}

impl Meant {
    /// By a filter.
    pub fn by(filter: Filter) -> Self {
        Self {
            filter,
            names: HashMap::new(),
        }
    }

    /// Takes in the names of a frame that is a DNS answer over UDP.
    pub fn hear(&mut self, frame: &[u8]) {
        if self.filter.is_empty() {
            return;
        }
        let message = parse(frame).ok();
        let message = message.and_then(|it| frame.get(it.l4 + UDP_HEADER..it.end));
        // One that cannot be read names nothing.
        let Some(Ok(answer)) = message.map(answer) else {
            return;
        };
        for (address, _) in &answer.addresses {
            self.name(*address, &answer);
        }
    }

    fn name(&mut self, address: IpAddr, answer: &Answer) {
        if self.names.len() >= ADDRESSES && !self.names.contains_key(&address) {
            return;
        }
        let known = self.names.entry(address).or_default();
        for name in [&answer.name].into_iter().chain(&answer.chain) {
            known.retain(|one| one != name);
            known.push(name.clone());
        }
        let old = known.len().saturating_sub(NAMES);
        known.drain(..old);
    }

    /// Whether a client's frame with one of these outcomes is meant.
    pub fn means(&self, client: Option<IpAddr>, frame: &[u8], outcome: &Outcome) -> bool {
        if self.filter.is_empty() {
            return true;
        }
        let flow = parse(frame).ok().map(|datagram| datagram.flow);
        let address = flow
            .as_ref()
            .map(|flow| IpAddr::from(flow.dst.learned_as()));
        let names = address.and_then(|address| self.names.get(&address));
        let names = names.into_iter().flatten().map(String::as_str);
        self.filter.matches(&Subject {
            client,
            group: outcome.group.as_deref(),
            sets: outcome.set.as_deref().into_iter().collect(),
            names: names.collect(),
            reason: Some(outcome.reason),
            action: Some(outcome.action),
            address: flow.as_ref().map(|flow| flow.dst.into()),
            port: flow.as_ref().and_then(port),
            proto: flow.as_ref().map(|flow| flow.proto),
        })
    }
}

fn port(flow: &Flow) -> Option<u16> {
    let has_ports = [proto::TCP, proto::UDP, proto::SCTP].contains(&flow.proto);
    has_ports.then_some(flow.dst_port)
}
