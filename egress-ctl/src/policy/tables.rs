//! The judge's tables in user space: a generation, and what was learned.
//!
//! Lookups are linear scans, which are slow and easy to believe: the kernel is tested against them.

use std::{collections::HashMap, net::IpAddr};

use egress_common::{
    decide::decide_packet,
    dns::message::Message,
    flow::{Addr, Flow, FlowKey},
    fragment::{DatagramKey, Seen},
    judge::Tables,
    learned::{Learned, LearnedKey},
    parse::Datagram,
    rule::{Destination, GroupPolicy, Match, Misses, feature},
    verdict::Verdict,
};
use ipnet::IpNet;

use super::generation::Generation;

/// A generation and learned addresses at one moment.
pub struct HostTables<'a> {
    /// The generation.
    pub generation: &'a Generation,
    /// What DNS answers taught.
    pub learned: HashMap<LearnedKey, Learned>,
    /// Connections that were admitted before, and the words of their slots.
    pub admitted: HashMap<FlowKey, u64>,
    /// What was seen of datagrams in fragments.
    pub fragments: HashMap<DatagramKey, Seen>,
    /// Addresses of names that are not allowed, and until when.
    pub refused: HashMap<Addr, u64>,
    /// The boot-time clock in ms.
    pub now_ms: u64,
    /// Names of interfaces by their index, as far as groups name them.
    pub interfaces: HashMap<u32, String>,
}

impl<'a> HostTables<'a> {
    /// Tables in which nothing was learned.
    pub fn new(generation: &'a Generation) -> Self {
        Self {
            generation,
            learned: HashMap::new(),
            admitted: HashMap::new(),
            fragments: HashMap::new(),
            refused: HashMap::new(),
            now_ms: 0,
            interfaces: HashMap::new(),
        }
    }

    /// Judges a frame that holds this datagram, and remembers what the kernel would.
    pub fn judge_frame(&mut self, frame: &[u8], datagram: &Datagram) -> Verdict {
        let seen = |key: &DatagramKey| self.fragments.get(key).copied();
        let decision = decide_packet(frame, datagram, self, seen);
        if decision.verdict.admits != 0 {
            let key = datagram.flow.key();
            self.admitted.insert(key, decision.verdict.admits);
        }
        self.fragments.extend(decision.noted);
        decision.verdict
    }
}

/// The longest prefix that contains `addr`, and its value.
pub fn longest<'a, V>(
    table: impl IntoIterator<Item = (&'a IpNet, &'a V)>,
    addr: IpAddr,
) -> Option<(IpNet, &'a V)> {
    table
        .into_iter()
        .filter(|(prefix, _)| prefix.contains(&addr))
        .max_by_key(|(prefix, _)| prefix.prefix_len())
        .map(|(prefix, value)| (*prefix, value))
}

impl Tables for HostTables<'_> {
    type Learned = Learned;

    fn group(&self, flow: &Flow) -> Option<u32> {
        let membership = &self.generation.membership;
        let interface = self.interfaces.get(&flow.interface);
        let place = membership.zone(interface.map(String::as_str), flow.vlan);
        let own = membership.machines.get(&(place, flow.mac));
        let zone = own.copied().unwrap_or(place);
        let clients = membership.clients.iter();
        let here = clients.filter(|((of, _), _)| *of == zone);
        let here = here.map(|((_, prefix), group)| (prefix, group));
        longest(here, flow.src.into()).map(|(_, group)| *group)
    }

    fn policy(&self, group: u32) -> Option<GroupPolicy> {
        let group = self.generation.groups.get(group as usize)?;
        Some(group.policy)
    }

    fn denies_names(&self) -> bool {
        self.generation.settings.features & feature::DENIED_NAMES != 0
    }

    fn destination(&self, addr: &Addr) -> Destination {
        longest(&self.generation.destinations, (*addr).into())
            .map(|(_, destination)| *destination)
            .unwrap_or_default()
    }

    fn decide(&self, index: u32, flow: &Flow, group: u32) -> Option<Match> {
        let ruleset = self.generation.rulesets.get(index as usize)?;
        Some(ruleset.decide(flow.proto, flow.dst_port, group))
    }

    fn decide_taught(&self, pattern: u32, flow: &Flow, group: u32) -> Match {
        let mut known = self.generation.taught_by();
        let ruleset = known.find(|(id, _)| *id == pattern);
        let decided = ruleset.and_then(|(_, ruleset)| self.decide(ruleset, flow, group));
        decided.unwrap_or(Match::Not(Misses::NONE))
    }

    fn may_ask(&self, message: &mut Message, group: u32) -> bool {
        let reversed = message.reversed_name().iter().rev().skip(1);
        let name: Vec<u8> = reversed.copied().collect();
        let pattern = self.generation.pattern_of(&String::from_utf8_lossy(&name));
        let ruleset = pattern.map_or(0, |pattern| pattern.ruleset);
        let ruleset = self.generation.rulesets.get(ruleset as usize);
        ruleset.is_some_and(|ruleset| ruleset.asks(group))
    }

    fn learned(&self, flow: &Flow) -> Option<&Learned> {
        let scope = self.generation.settings.scope();
        self.learned.get(&LearnedKey::of(flow.dst, flow.src, scope))
    }

    fn admitted(&self, flow: &Flow) -> Option<u64> {
        self.admitted.get(&flow.key()).copied()
    }

    fn refused_until_ms(&self, addr: &Addr) -> Option<u64> {
        self.refused.get(addr).copied()
    }

    fn now_ms(&self) -> u64 {
        self.now_ms
    }
}

#[cfg(test)]
mod tests;
