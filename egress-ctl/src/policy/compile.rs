//! Compiles a generation.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use egress_common::{
    dns::policy::DnsPolicy,
    flow::proto,
    learned::Scope,
    limits,
    pattern::NamePattern,
    rule::{
        ALLOW, ANY_PROTO, ASK, DENY, Destination, GroupPolicy, Rule, Ruleset, Settings, feature,
        mark,
    },
    verdict::NO_SET,
};
use ipnet::IpNet;
use jiff::civil::Date;

use super::{
    generation::{CompiledGroup, Generation, Pattern},
    ids::{Ids, OutOfIds},
    membership::{EVERYBODY, Membership},
    names::{self, Compiled},
    nested::{Union, inherit},
    steer::Steered,
};
use crate::{
    catalogue::set::EndpointSet,
    config::{
        Config, Group, Lookup, lint,
        rule::{OwnRule, Target},
    },
    prefix::canonical,
};

/// Why a config that is right by itself cannot be compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// No id is left for a name.
    #[error(transparent)]
    OutOfIds(#[from] OutOfIds),
    /// More rules than a ruleset holds.
    #[error("{0} collects more than {max} rules from the endpoint sets that cover it: select fewer", max = limits::RULES)]
    Rules(String),
    /// Too many heads of patterns, or heads that meet in too many ways.
    #[error("`{0}*`: patterns with a star inside meet in more ways than the kernel's tables hold ({max}): use fewer that begin so", max = limits::HEADS)]
    Heads(String),
    /// More different rulesets than a generation holds.
    #[error("the selected endpoint sets make more than {max} different rulesets: select fewer", max = limits::RULESETS)]
    Rulesets,
    /// More different steerings than a generation holds.
    #[error("the groups steer in more than {max} different ways: share marks, priorities and DSCPs", max = limits::STEERINGS - 1)]
    Steerings,
    /// More prefixes than a table holds.
    #[error("{what}: {count} prefixes are more than the {limit} that the kernel's table holds")]
    Prefixes {
        /// Which table.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many fit.
        limit: u32,
    },
}

/// What a config is compiled for, besides itself.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The gateway's own addresses.
    pub own: &'a [IpAddr],
    /// The day; rules may end.
    pub today: Date,
}

/// Compiles `config`. Ids that are new are given in `ids`.
///
/// # Errors
/// What does not fit into the kernel's tables.
pub fn compile(
    config: &Config,
    circumstances: Circumstances<'_>,
    ids: &mut Ids,
) -> Result<Generation, CompileError> {
    let Circumstances { own, today } = circumstances;
    let selected = selected(config);
    let mut rulesets = Rulesets::new();
    let (mut destinations, mut patterns) = gather(&selected, ids)?;
    let own_rules = own_rules(config, today);
    add_own_rules(&own_rules, &mut destinations, &mut patterns, ids)?;
    add_names(&config.groups, &mut patterns);
    let destinations = marked(destinations, config, own)
        .into_iter()
        .map(|(prefix, said)| Ok((prefix, rulesets.destination(prefix, said)?)))
        .collect::<Result<BTreeMap<_, _>, CompileError>>()?;
    let Compiled {
        patterns,
        meetings,
        names,
    } = names::compiled(&patterns, &mut rulesets, ids)?;
    let membership = Membership::of(&config.groups);
    check_sizes(&membership, destinations.len())?;
    let steered = Steered::of(&config.groups, ids)?;
    Ok(Generation {
        settings: Settings {
            mode: config.gateway.mode as u32,
            ttl_floor: config.dns.ttl_floor,
            ttl_cap: config.dns.ttl_cap,
            grace: config.dns.grace,
            features: features(&membership, &patterns, &rulesets)
                | bit(steered.steers(), feature::STEERS)
                | bit(config.gateway.count_replies, feature::COUNTS_REPLIES)
                | bit(config.gateway.lookup == Lookup::Flat, feature::FLAT)
                | bit(!config.gateway.fast_paths.is_empty(), feature::FORWARDS)
                | bit(is_strict(&config.groups), feature::STRICT_DNS)
                | bit(config.dns.scope == Scope::Client, feature::CLIENT_SCOPE),
        },
        steered,
        groups: groups(config, ids)?,
        warnings: warnings(config, &selected, &membership, circumstances),
        sets: selected.len(),
        membership,
        destinations,
        patterns,
        meetings,
        names,
        rulesets: rulesets.list,
    })
}

/// An endpoint set and the groups that may reach it.
struct Selected<'a> {
    set: &'a EndpointSet,
    groups: u64,
}

fn selected(config: &Config) -> Vec<Selected<'_>> {
    let mut groups: HashMap<&str, u64> = HashMap::new();
    for (number, group) in config.groups.iter().enumerate() {
        for key in &group.allow {
            *groups.entry(key).or_default() |= 1 << number;
        }
    }
    config
        .catalogue
        .sets()
        .iter()
        .filter_map(|set| {
            let groups = *groups.get(set.key.as_str())?;
            Some(Selected { set, groups })
        })
        .collect()
}

/// What a prefix says: rules, and marks of a destination.
#[derive(Clone, Debug, Default)]
struct Said {
    rules: Vec<Rule>,
    marks: u32,
}

impl Union for Said {
    fn add(&mut self, wide: &Self) {
        self.rules.extend(&wide.rules);
        self.marks |= wide.marks;
    }
}

type ByPrefix = BTreeMap<IpNet, Said>;

/// What each prefix and each pattern says by itself.
fn gather(selected: &[Selected<'_>], ids: &mut Ids) -> Result<(ByPrefix, names::Rules), OutOfIds> {
    let mut prefixes = ByPrefix::new();
    let mut patterns = names::Rules::new();
    for Selected { set, groups } in selected {
        let rules = rules(set, *groups, ids.set(&set.key)?);
        for prefix in &set.ips {
            let said = prefixes.entry(canonical(*prefix)).or_default();
            said.rules.extend(&rules);
            said.marks |= mark::LISTED;
        }
        for pattern in &set.urls {
            patterns.entry(pattern.clone()).or_default().extend(&rules);
        }
    }
    Ok((prefixes, patterns))
}

/// The rules of each group's own that hold today, with the group's number.
fn own_rules(config: &Config, today: Date) -> Vec<(u32, &OwnRule)> {
    let holds = |rule: &&OwnRule| rule.until.is_none_or(|until| until >= today);
    let mut all = Vec::new();
    for (number, group) in (0..).zip(&config.groups) {
        all.extend(group.rules.iter().filter(holds).map(|rule| (number, rule)));
    }
    all
}

/// Adds what own rules say of each prefix and each pattern; one without a destination says it of all.
fn add_own_rules(
    own: &[(u32, &OwnRule)],
    prefixes: &mut ByPrefix,
    patterns: &mut names::Rules,
    ids: &mut Ids,
) -> Result<(), OutOfIds> {
    for (group, rule) in own {
        let set = ids.set(&rule.key)?;
        let said = rule.services.iter().map(|service| Rule {
            groups: 1 << group,
            port_low: service.low,
            port_high: service.high,
            set,
            proto: service.proto,
            effect: if rule.denies { DENY } else { ALLOW },
        });
        let said: Vec<Rule> = said.collect();
        if rule.to.is_empty() {
            for everywhere in EVERYBODY {
                prefixes.entry(everywhere).or_default().rules.extend(&said);
            }
        }
        for target in &rule.to {
            match target {
                Target::Prefix(prefix) => &mut prefixes.entry(*prefix).or_default().rules,
                Target::Name(name) => patterns.entry(name.clone()).or_default(),
            }
            .extend(&said);
        }
    }
    Ok(())
}

/// Zones of reverse lookups, which name nothing that a client could reach.
pub(crate) fn reverse_zones() -> [NamePattern; 2] {
    [".in-addr.arpa", ".ip6.arpa"].map(|tail| NamePattern::Tail(tail.to_owned()))
}

/// Adds the names that strict groups may ask for besides those that they may use.
fn add_names(groups: &[Group], patterns: &mut names::Rules) {
    for (number, group) in groups.iter().enumerate() {
        if group.dns != DnsPolicy::Strict {
            continue;
        }
        for name in group.dns_names.iter().cloned().chain(reverse_zones()) {
            patterns.entry(name).or_default().push(Rule {
                groups: 1 << number,
                port_low: 1,
                port_high: 0,
                set: NO_SET,
                proto: ANY_PROTO,
                effect: ASK,
            });
        }
    }
}

fn rules(set: &EndpointSet, groups: u64, id: u16) -> Vec<Rule> {
    let of = |proto, ports: &crate::catalogue::ports::Ports| -> Vec<Rule> {
        let rule = |range: &std::ops::RangeInclusive<u16>| Rule {
            groups,
            port_low: *range.start(),
            port_high: *range.end(),
            set: id,
            proto,
            effect: ALLOW,
        };
        ports.ranges().iter().map(rule).collect()
    };
    let mut rules = of(proto::TCP, &set.tcp_ports);
    rules.extend(of(proto::UDP, &set.udp_ports));
    rules
}

/// Adds what destinations are besides targets of rules, and lets prefixes inherit.
fn marked(mut prefixes: ByPrefix, config: &Config, own: &[IpAddr]) -> ByPrefix {
    let mut set = |prefix: IpNet, marks: u32| prefixes.entry(prefix).or_default().marks |= marks;
    for prefix in &config.gateway.internal {
        set(*prefix, mark::INTERNAL);
    }
    for addr in &config.gateway.resolvers {
        set((*addr).into(), mark::RESOLVER);
    }
    let local = if config.gateway.own_resolver {
        mark::LOCAL_RESOLVER
    } else {
        0
    };
    for addr in own {
        set((*addr).into(), mark::GATEWAY | local);
    }
    inherit(prefixes)
}

/// Groups and what holds for them.
fn groups(config: &Config, ids: &mut Ids) -> Result<Vec<CompiledGroup>, OutOfIds> {
    let compiled = config.groups.iter().map(|group| {
        Ok(CompiledGroup {
            name: group.name.clone(),
            policy: GroupPolicy {
                mode: group.mode.unwrap_or(config.gateway.mode),
                denial: group.denial,
                counters: ids.group(&group.name)?,
                dns: group.dns,
            },
        })
    });
    compiled.collect()
}

/// What packets need to be asked about at all.
fn features(membership: &Membership, patterns: &[Pattern], rulesets: &Rulesets) -> u32 {
    let denies = |ruleset: &Ruleset| {
        let rules = ruleset.rules.iter().take(ruleset.len as usize);
        rules.into_iter().any(|rule| rule.effect == DENY)
    };
    let of_pattern = |pattern: &Pattern| rulesets.list.get(pattern.ruleset as usize);
    bit(!membership.places.is_empty(), feature::PLACES)
        | bit(!membership.machines.is_empty(), feature::MACHINES)
        | bit(
            patterns.iter().filter_map(of_pattern).any(denies),
            feature::DENIED_NAMES,
        )
}

const fn bit(holds: bool, bit: u32) -> u32 {
    if holds { bit } else { 0 }
}

/// Whether names of queries need to be looked up.
fn is_strict(groups: &[Group]) -> bool {
    let mut policies = groups.iter().map(|group| group.dns);
    policies.any(|dns| dns == DnsPolicy::Strict)
}

fn check_sizes(membership: &Membership, destinations: usize) -> Result<(), CompileError> {
    check_size("clients", membership.clients.len(), limits::CLIENTS)?;
    // One table holds those of both generations.
    check_size("machines", 2 * membership.machines.len(), limits::MACHINES)?;
    check_size("destinations", destinations, limits::DESTINATIONS)
}

fn check_size(what: &'static str, count: usize, limit: u32) -> Result<(), CompileError> {
    if count > limit as usize {
        return Err(CompileError::Prefixes { what, count, limit });
    }
    Ok(())
}

/// The different rulesets so far; equal ones share an index.
pub(super) struct Rulesets {
    list: Vec<Ruleset>,
    known: HashMap<Ruleset, u32>,
}

impl Rulesets {
    pub(super) fn new() -> Self {
        Self {
            list: vec![Ruleset::EMPTY],
            known: HashMap::from([(Ruleset::EMPTY, 0)]),
        }
    }

    /// The rules of the ruleset with an index.
    #[cfg(test)]
    pub(super) fn rules_of(&self, index: u32) -> impl Iterator<Item = &Rule> {
        let ruleset = self.list.get(index as usize);
        let rules = ruleset.map(|ruleset| ruleset.rules.iter().take(ruleset.len as usize));
        rules.into_iter().flatten()
    }

    fn destination(&mut self, prefix: IpNet, said: Said) -> Result<Destination, CompileError> {
        Ok(Destination {
            ruleset: self.index(&prefix.to_string(), said.rules)?,
            marks: said.marks,
        })
    }

    /// Index of the ruleset of these rules; `whose` is for the error.
    pub(super) fn index(&mut self, whose: &str, rules: Vec<Rule>) -> Result<u32, CompileError> {
        let mut rules = merged(rules);
        if rules.len() > limits::RULES {
            rules = without_redundant(&rules);
        }
        let mut ruleset = Ruleset::EMPTY;
        let Some(places) = ruleset.rules.get_mut(..rules.len()) else {
            return Err(CompileError::Rules(whose.to_owned()));
        };
        places.copy_from_slice(&rules);
        ruleset.len = rules.len() as u32;
        if let Some(index) = self.known.get(&ruleset) {
            return Ok(*index);
        }
        let index = self.list.len() as u32;
        if index >= limits::RULESETS {
            return Err(CompileError::Rulesets);
        }
        self.list.push(ruleset);
        self.known.insert(ruleset, index);
        Ok(index)
    }
}

/// Denials first, then sorted by protocol, ports and set; the same for several groups as one rule.
fn merged(rules: Vec<Rule>) -> Vec<Rule> {
    let mut merged: BTreeMap<(u8, u8, u16, u16, u16), Rule> = BTreeMap::new();
    for rule in rules {
        let key = (
            rule.effect,
            rule.proto,
            rule.port_low,
            rule.port_high,
            rule.set,
        );
        merged
            .entry(key)
            .or_insert(Rule { groups: 0, ..rule })
            .groups |= rule.groups;
    }
    merged.into_values().collect()
}

/// Leaves out rules that another rule makes needless; only the name of what decides changes.
fn without_redundant(rules: &[Rule]) -> Vec<Rule> {
    let implies = |wide: &Rule, narrow: &Rule| {
        wide.effect == narrow.effect
            && (wide.proto == narrow.proto || wide.proto == ANY_PROTO)
            && wide.port_low <= narrow.port_low
            && wide.port_high >= narrow.port_high
            && wide.groups & narrow.groups == narrow.groups
    };
    let mut kept: Vec<Rule> = Vec::new();
    for rule in rules {
        if kept.iter().any(|wide| implies(wide, rule)) {
            continue;
        }
        kept.retain(|narrow| !implies(rule, narrow));
        kept.push(*rule);
    }
    kept
}

fn warnings(
    config: &Config,
    selected: &[Selected<'_>],
    membership: &Membership,
    circumstances: Circumstances<'_>,
) -> Vec<String> {
    let Circumstances { own, today } = circumstances;
    let feeds = config.feeds.iter();
    let mut warnings: Vec<_> = feeds.flat_map(|feed| feed.warnings.clone()).collect();
    for group in &config.groups {
        for rule in &group.rules {
            if let Some(until) = rule.until.filter(|until| *until < today) {
                let key = &rule.key;
                warnings.push(format!("rule {key} ended on {until}: remove it"));
            }
        }
        for selector in &group.empty {
            let name = &group.name;
            warnings.push(format!(
                "group `{name}`: `{selector}` selects no endpoint set"
            ));
        }
        for entry in &group.steer.idle {
            let name = &group.name;
            warnings.push(format!(
                "group `{name}`: steer `{entry}` steers no endpoint set that the group may reach"
            ));
        }
        if group.allow.is_empty() && group.rules.iter().all(|rule| rule.denies) {
            warnings.push(format!("group `{}` may reach nothing", group.name));
        }
    }
    for Selected { set, .. } in selected {
        if set.is_portless() {
            let key = &set.key;
            warnings.push(format!(
                "set {key} names no port, so it is reachable on none"
            ));
        }
    }
    warnings.extend(idle_groups(config, membership));
    warnings.extend(lint::warnings(config, own, today));
    warnings
}

/// Groups that other groups leave no client to.
fn idle_groups(config: &Config, membership: &Membership) -> Vec<String> {
    let lan = &config.gateway.lan;
    let taking = membership.taking(lan);
    let is_idle = |(number, group): &(u32, &Group)| {
        let interfaces = &group.members.interfaces;
        let is_there = interfaces.is_empty() || interfaces.iter().any(|name| lan.contains(name));
        is_there && !taking.contains(number)
    };
    let idle = (0..).zip(&config.groups).filter(is_idle);
    let warning = |(_, group): (u32, &Group)| {
        format!(
            "group `{}` takes nobody: groups that come before it take all of its clients",
            group.name
        )
    };
    idle.map(warning).collect()
}

#[cfg(test)]
mod tests;
