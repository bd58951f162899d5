//! What of a config covers a destination, as it is written: without unions, tries and rulesets.
//!
//! In: a config, and an address, a name or a pattern. Out: the endpoint sets and own rules that name it, each
//! with the prefix or pattern by which it does.

use std::net::IpAddr;

use egress_common::pattern::NamePattern;
use ipnet::IpNet;

use crate::{
    catalogue::set::EndpointSet,
    config::{
        Config,
        group::Group,
        rule::{OwnRule, Target},
    },
    policy::tables::longest,
};

/// Something of a config that allows or denies.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// An endpoint set.
    Set(&'a EndpointSet),
    /// A rule of a group's own.
    Rule(&'a Group, &'a OwnRule),
}

/// A source, and by what it covers the destination.
pub struct Cover<'a> {
    /// The source.
    pub source: Source<'a>,
    /// A prefix or a pattern, as the config or the catalogue writes it.
    pub via: String,
}

/// The set's longest prefix that contains the address.
pub fn prefix_of(set: &EndpointSet, addr: IpAddr) -> Option<IpNet> {
    let (prefix, ()) = longest(set.ips.iter().map(|prefix| (prefix, &())), addr)?;
    Some(prefix)
}

/// The set's first pattern that matches the name.
pub fn pattern_of<'a>(set: &'a EndpointSet, name: &str) -> Option<&'a NamePattern> {
    set.urls.iter().find(|pattern| pattern.matches(name))
}

/// Names of the groups that may reach a set.
pub fn groups_of(config: &Config, set: &EndpointSet) -> Vec<String> {
    let may = config
        .groups
        .iter()
        .filter(|group| group.allow.contains(&set.key));
    may.map(|group| group.name.clone()).collect()
}

/// What covers an address by a prefix.
pub fn of_address(config: &Config, addr: IpAddr) -> Vec<Cover<'_>> {
    let by_set = |set: &EndpointSet| prefix_of(set, addr).map(|prefix| prefix.to_string());
    gather(config, by_set, |target| match target {
        None => Some("everywhere".to_owned()),
        Some(Target::Prefix(prefix)) => prefix.contains(&addr).then(|| prefix.to_string()),
        Some(Target::Name(_)) => None,
    })
}

/// What covers a name by a pattern.
pub fn of_name<'a>(config: &'a Config, name: &str) -> Vec<Cover<'a>> {
    let by_set = |set: &EndpointSet| pattern_of(set, name).map(ToString::to_string);
    gather(config, by_set, |target| match target {
        Some(Target::Name(pattern)) => pattern.matches(name).then(|| pattern.to_string()),
        Some(Target::Prefix(_)) | None => None,
    })
}

/// What covers all names of a pattern, and so what an address that it taught is allowed by.
pub fn of_pattern<'a>(config: &'a Config, narrow: &NamePattern) -> Vec<Cover<'a>> {
    let by_set = |set: &EndpointSet| {
        let wide = set.urls.iter().find(|wide| wide.covers(narrow));
        wide.map(ToString::to_string)
    };
    gather(config, by_set, |target| match target {
        Some(Target::Name(wide)) => wide.covers(narrow).then(|| wide.to_string()),
        Some(Target::Prefix(_)) | None => None,
    })
}

/// All sources that `by_set` or `by_target` finds something for; a rule without targets is asked with none.
fn gather(
    config: &Config,
    by_set: impl Fn(&EndpointSet) -> Option<String>,
    by_target: impl Fn(Option<&Target>) -> Option<String>,
) -> Vec<Cover<'_>> {
    let sets = config.catalogue.sets().iter();
    let sets = sets.filter_map(|set| {
        let via = by_set(set)?;
        let source = Source::Set(set);
        Some(Cover { source, via })
    });
    let groups = config.groups.iter();
    let rules = groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
    let rules = rules.filter_map(|(group, rule)| {
        let via = match rule.to.as_slice() {
            [] => by_target(None)?,
            targets => targets.iter().find_map(|target| by_target(Some(target)))?,
        };
        let source = Source::Rule(group, rule);
        Some(Cover { source, via })
    });
    sets.chain(rules).collect()
}
