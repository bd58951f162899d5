//! The policy as its config writes it, without unions, tries or rulesets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use egress_common::dns::policy::DnsPolicy;
use egress_common::flow::{Addr, Flow, proto};
use egress_common::fragment::DatagramKey;
use egress_common::learned::LearnedKey;
use egress_common::limits::TEACHERS;
use egress_common::parse::Datagram;
use egress_common::parse::quote::{self, Message};
use egress_common::pattern::NamePattern;
use egress_common::rule::ANY_PROTO;
use egress_common::verdict::{Mode, Verdict};
use egress_ctl::config::Config;
use egress_ctl::config::group::{Group, Members};
use egress_ctl::config::rule::{OwnRule, Service, Target};
use egress_ctl::policy::meet;
use egress_ctl::prefix::canonical;
use ipnet::IpNet;

use super::memory::Admitted;
use crate::kernel::{INTERFACE, TODAY};
use crate::random::Teaching;

/// A config, and what was learned, admitted and passed while it holds.
pub struct Written<'a> {
    config: &'a Config,
    own: &'a [IpAddr],
    teachings: &'a [Teaching],
    admitted: &'a Admitted,
    /// Units of fragments that passed, by datagram.
    passed: BTreeMap<DatagramKey, BTreeSet<u32>>,
}

impl<'a> Written<'a> {
    /// Nothing has passed yet.
    pub fn new(
        config: &'a Config,
        own: &'a [IpAddr],
        teachings: &'a [Teaching],
        admitted: &'a Admitted,
    ) -> Self {
        Self {
            config,
            own,
            teachings,
            admitted,
            passed: BTreeMap::new(),
        }
    }

    /// An error is allowed with what it is about, a later fragment with the first one if nothing of it
    /// passed before.
    pub fn allows_frame(&self, frame: &[u8], datagram: &Datagram) -> bool {
        let (flow, piece) = (&datagram.flow, &datagram.piece);
        let reaches = |flow: &Flow| self.reaches_anyway(flow);
        match quote::message(flow) {
            _ if self.asks_in_vain(datagram) => false,
            _ if reaches(flow) => true,
            _ if flow.later_fragment => {
                let passed = self.passed.get(&DatagramKey::of(flow, piece));
                let is_new =
                    |units: &BTreeSet<u32>| units.range(piece.start..piece.end).next().is_none();
                self.group(flow).is_some() && passed.is_some_and(is_new)
            }
            Message::Other => self.allows(flow),
            Message::Redirect => false,
            Message::Error => {
                let about = || quote::read(frame, flow, datagram.l4, datagram.end);
                let allows = |about: Flow| self.allows(&about);
                let group = self.group(flow);
                let denied = || self.denies(flow);
                self.allows(flow) || group.is_some() && !denied() && about().is_ok_and(allows)
            }
        }
    }

    /// Whether it asks a resolver for what a strict group may not ask for: random datagrams hold no query that
    /// can be read, and random segments nothing at all.
    fn asks_in_vain(&self, datagram: &Datagram) -> bool {
        let flow = &datagram.flow;
        let gateway = &self.config.gateway;
        let own = self.own.iter().filter(|_| gateway.own_resolver);
        let mut resolvers = gateway.resolvers.iter().chain(own);
        let is_strict = |group: &Group| {
            group.dns == DnsPolicy::Strict && group.mode.is_none_or(|mode| mode != Mode::Off)
        };
        flow.is_dns_query()
            && (flow.proto == proto::UDP || datagram.piece.is_fragment())
            && resolvers.any(|resolver| Addr::from(*resolver) == flow.dst)
            && self.group(flow).is_some_and(is_strict)
    }

    /// Notes a fragment that passes.
    pub fn note(&mut self, datagram: &Datagram, verdict: Verdict) {
        let (flow, piece) = (&datagram.flow, &datagram.piece);
        if !piece.is_fragment() || !verdict.reason.passes() {
            return;
        }
        let passed = self.passed.entry(DatagramKey::of(flow, piece)).or_default();
        if !piece.is_later() {
            passed.clear();
        }
        passed.extend(piece.start..piece.end);
    }

    /// Whether a rule of the client's group denies it.
    fn denies(&self, flow: &Flow) -> bool {
        let rules = |group: &Group| {
            let mut rules = group.rules.iter();
            rules.any(|rule| rule.denies && self.applies(rule, flow))
        };
        self.group(flow).is_some_and(rules)
    }

    /// Whether destination or group let it pass, whatever it is.
    fn reaches_anyway(&self, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let mut internal = self.config.gateway.internal.iter();
        flow.dst.is_link_scope()
            || self.own.contains(&dst)
            || internal.any(|prefix| prefix.contains(&dst))
            || self
                .group(flow)
                .is_some_and(|group| group.mode == Some(Mode::Off))
    }

    fn allows(&self, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let gateway = &self.config.gateway;
        if self.reaches_anyway(flow) {
            return true;
        }
        let Some(group) = self.group(flow) else {
            return false;
        };
        if flow.dst_port == 53 && [proto::TCP, proto::UDP].contains(&flow.proto) {
            if gateway.resolvers.contains(&dst) {
                return true;
            }
            if group.dns != DnsPolicy::Watch {
                return false;
            }
        }
        let rules = || group.rules.iter().filter(|rule| self.applies(rule, flow));
        if rules().any(|rule| rule.denies) {
            return false;
        }
        let sets = self.config.catalogue.sets().iter();
        let mut sets = sets.filter(|set| group.allow.contains(&set.key));
        let by_set = sets.any(|set| {
            let ports = match flow.proto {
                proto::TCP => &set.tcp_ports,
                proto::UDP => &set.udp_ports,
                _ => return false,
            };
            let by_prefix = set
                .ips
                .iter()
                .any(|prefix| canonical(*prefix).contains(&dst));
            let by_name = || {
                let mut urls = set.urls.iter();
                urls.any(|pattern| self.is_taught(flow, pattern) || self.is_admitted(flow, pattern))
            };
            ports.contains(flow.dst_port) && (by_prefix || by_name())
        });
        by_set || rules().next().is_some()
    }

    /// The group of the most specific marks, and among equals of the longest prefix.
    fn group(&self, flow: &Flow) -> Option<&Group> {
        let src = IpAddr::from(flow.src);
        let fit = |group: &&Group| {
            let Members {
                interfaces,
                vlans,
                macs,
                ..
            } = &group.members;
            (interfaces.is_empty() || interfaces.iter().any(|name| name == INTERFACE))
                && (vlans.is_empty() || vlans.contains(&flow.vlan))
                && (macs.is_empty() || macs.contains(&flow.mac))
        };
        let ranked = |group: &'_ Group| -> Option<(u8, u8)> {
            let Members { clients, .. } = &group.members;
            let level = group.members.level();
            let covering = clients.iter().filter(|prefix| prefix.contains(&src));
            let longest = covering.map(IpNet::prefix_len).max();
            match clients.is_empty() && level > 0 {
                true => Some((level, 0)),
                false => longest.map(|longest| (level, longest)),
            }
        };
        let groups = self.config.groups.iter().filter(fit);
        let ranked = groups.filter_map(|group| Some((ranked(group)?, group)));
        // Of equals the first; `max_by_key` would take the last.
        let best = ranked.rev().max_by_key(|(rank, _)| *rank);
        let default = || self.config.groups.iter().find(|group| group.is_default);
        best.map(|(_, group)| group).or_else(default)
    }

    /// Whether a rule of a group's own is about this packet. What taught an address denies as long as it
    /// is valid; what admitted a connection admits it on.
    fn applies(&self, rule: &OwnRule, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let covers = |target: &Target| match target {
            Target::Prefix(prefix) => prefix.contains(&dst),
            Target::Name(name) => {
                self.is_taught(flow, name) || !rule.denies && self.is_admitted(flow, name)
            }
        };
        serves(rule, flow) && (rule.to.is_empty() || rule.to.iter().any(covers))
    }

    /// Whether a valid teaching of the address, for the client where that matters, is by a pattern that
    /// `pattern` covers.
    fn is_taught(&self, flow: &Flow, pattern: &NamePattern) -> bool {
        let key = LearnedKey::of(flow.dst, flow.src, self.config.dns.scope);
        let of_addr = self.teachings.iter().filter(|t| t.key() == key);
        let of_addr = of_addr.take(TEACHERS);
        let mut valid = of_addr.filter(|t| t.left_ms > 0);
        valid.any(|teaching| self.is_covered(teaching.pattern, pattern))
    }

    /// Whether the packet goes on with a connection that a pattern admitted which `pattern` covers.
    fn is_admitted(&self, flow: &Flow, pattern: &NamePattern) -> bool {
        let by = self.admitted.get(&flow.key()).and_then(|(by, _)| *by);
        let goes_on = |by| self.is_covered(by, pattern) && !self.denies_name(flow, by);
        !flow.opens && by.is_some_and(goes_on)
    }

    /// Whether a rule of the client's group denies this packet to what the pattern `by` names.
    fn denies_name(&self, flow: &Flow, by: &str) -> bool {
        let names =
            |target: &Target| matches!(target, Target::Name(name) if self.is_covered(by, name));
        let denies =
            |rule: &OwnRule| rule.denies && serves(rule, flow) && rule.to.iter().any(names);
        self.group(flow)
            .is_some_and(|group| group.rules.iter().any(denies))
    }

    /// Whether `narrow` is a pattern of the policy that `wide` covers, or a meeting with such a one.
    fn is_covered(&self, narrow: &str, wide: &NamePattern) -> bool {
        let narrow = meet::patterns(narrow);
        let mut narrow = narrow.iter();
        narrow.any(|narrow| self.is_written(narrow) && wide.covers(narrow))
    }

    fn is_written(&self, pattern: &NamePattern) -> bool {
        let groups = || self.config.groups.iter();
        let sets = self.config.catalogue.sets().iter();
        let mut selected = sets.filter(|set| groups().any(|group| group.allow.contains(&set.key)));
        let in_set = selected.any(|set| set.urls.contains(pattern));
        let is_target = |target: &Target| matches!(target, Target::Name(name) if name == pattern);
        let in_rule = groups().flat_map(|group| &group.rules).any(|rule| {
            rule.until.is_none_or(|until| until >= TODAY) && rule.to.iter().any(is_target)
        });
        // What may be asked for only is a pattern as well: its answers teach by it.
        let is_asked_for = groups().any(|group| group.dns_names.contains(pattern));
        in_set || in_rule || is_asked_for
    }
}

/// Whether a rule is about packets of this protocol and port today.
fn serves(rule: &OwnRule, flow: &Flow) -> bool {
    let serves = |service: &Service| {
        [flow.proto, ANY_PROTO].contains(&service.proto)
            && (service.low..=service.high).contains(&flow.dst_port)
    };
    rule.until.is_none_or(|until| until >= TODAY) && rule.services.iter().any(serves)
}
