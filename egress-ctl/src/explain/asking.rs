//! What a query's name has to do with what becomes of it.
//!
//! In: a packet that was judged, and the query in it. Out: whether names decide there, and everything of the
//! config that covers the name, with whether it lets the group ask.

use egress_common::{
    dns::policy::{DnsPolicy, of_query},
    judge::Tables as _,
    verdict::{Reason, Verdict},
};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cover::{self, Cover, Source, groups_of},
    ground::{Ground, Judged},
    query::Query,
    words,
};
use crate::{
    config::{Config, group::Group},
    policy::{compile::reverse_zones, tables::HostTables},
};

/// A query, and what of the config covers its name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Asking {
    /// The name; none of a packet without a query.
    pub name: Option<String>,
    /// The type of records that is asked for.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether the name decides: its group is strict, and a resolver is asked.
    pub decides: bool,
    /// What covers the name, what lets the group ask first.
    pub names: Vec<Naming>,
}

/// Something of a config that covers a name.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Naming {
    /// Key of an endpoint set or of a rule of a group's own, `dns-names`, or `reverse lookups`.
    pub rule: String,
    /// The pattern.
    pub via: String,
    /// Groups that it is for.
    pub groups: Vec<String>,
    /// What it says.
    pub says: Lets,
}

/// What something that covers a name says of asking for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lets {
    /// The group may ask.
    Ask,
    /// Other groups may.
    OtherGroups,
    /// The groups that select the set might, if it named a port.
    NoPort,
    /// Groups might that select the set, but none does.
    Unselected,
    /// It denies packets to the name, and lets nobody ask.
    Denies,
    /// It held until a day that is over.
    Ended,
}

/// What the name has to do with a packet; none where neither names decide nor one is asked for.
pub fn asking(ground: &Ground<'_>, query: Option<&Query>, judged: &Judged) -> Option<Asking> {
    let decides = decides(judged, &ground.tables);
    if query.is_none() && !decides {
        return None;
    }
    let group = judged.flow.and_then(|flow| ground.tables.group(&flow));
    let group = group.and_then(|group| ground.group_named(group as u8));
    let names = query.map(|query| names(ground, query, group));
    Some(Asking {
        name: query.map(|query| query.name().to_owned()),
        kind: query.map(Query::kind),
        decides,
        names: names.unwrap_or_default(),
    })
}

/// Whether other names could make it another verdict: then the kernel looks at them.
fn decides(judged: &Judged, tables: &HostTables<'_>) -> bool {
    let Judged { flow, verdict } = judged;
    let refused = |verdict: Verdict| verdict.reason == Reason::DnsNameRefused;
    let could_be = |flow| refused(of_query(flow, *verdict, tables, |_| false));
    let flow = flow.as_ref().filter(|flow| flow.is_dns_query());
    flow.is_some_and(|flow| refused(*verdict) || verdict.reason.passes() && could_be(flow))
}

fn names(ground: &Ground<'_>, query: &Query, group: Option<&str>) -> Vec<Naming> {
    let config = ground.config;
    let covers = cover::of_name(config, query.name());
    let covers = covers.iter();
    let named = covers.map(|cover| said(config, cover, group, ground.circumstances.today));
    let mut names: Vec<_> = named.chain(besides(config, query.name(), group)).collect();
    names.sort_by_key(|naming| naming.says);
    names
}

fn said(config: &Config, cover: &Cover<'_>, group: Option<&str>, today: Date) -> Naming {
    let (rule, groups, says) = match cover.source {
        Source::Set(set) => {
            let groups = groups_of(config, set);
            let says = if groups.is_empty() {
                Lets::Unselected
            } else if set.is_portless() {
                Lets::NoPort
            } else {
                of_groups(&groups, group)
            };
            (&set.key, groups, says)
        }
        Source::Rule(of, rule) => {
            let groups = vec![of.name.clone()];
            let says = if rule.until.is_some_and(|until| until < today) {
                Lets::Ended
            } else if rule.denies {
                Lets::Denies
            } else {
                of_groups(&groups, group)
            };
            (&rule.key, groups, says)
        }
    };
    Naming {
        rule: rule.clone(),
        via: cover.via.clone(),
        groups,
        says,
    }
}

fn of_groups(groups: &[String], group: Option<&str>) -> Lets {
    match groups.iter().any(|of| group == Some(of)) {
        true => Lets::Ask,
        false => Lets::OtherGroups,
    }
}

/// Names that strict groups may ask for besides those that they may use.
fn besides(config: &Config, name: &str, group: Option<&str>) -> Vec<Naming> {
    let strict = |group: &&Group| group.dns == DnsPolicy::Strict;
    let reverse = reverse_zones();
    let mut all = Vec::new();
    for of in config.groups.iter().filter(strict) {
        let listed = of.dns_names.iter().map(|pattern| ("dns-names", pattern));
        let zones = reverse.iter().map(|zone| ("reverse lookups", zone));
        let matching = listed.chain(zones);
        let matching = matching.filter(|(_, pattern)| pattern.matches(name));
        all.extend(matching.map(|(rule, pattern)| {
            let groups = vec![of.name.clone()];
            Naming {
                rule: rule.to_owned(),
                via: pattern.to_string(),
                says: of_groups(&groups, group),
                groups,
            }
        }));
    }
    all
}

/// Lines about the name, at most.
const TOLD: usize = 8;

impl Asking {
    /// Whether something of the config lets the group ask for the name.
    pub fn is_let(&self) -> bool {
        self.names.iter().any(|naming| naming.says == Lets::Ask)
    }

    /// What is told of it: labels, and what stands behind them.
    pub fn lines(&self, service: &str, group: Option<&str>) -> Vec<(&'static str, String)> {
        let (Some(name), Some(kind)) = (&self.name, &self.kind) else {
            let told =
                "none in this packet: names decide for its group, ask for one with --query NAME";
            return vec![("query", told.to_owned())];
        };
        let stream = match service.starts_with("tcp") {
            true => ", in the stream behind the handshake",
            false => "",
        };
        let ends = match self.decides {
            true => "",
            false => "; its name decides nothing here",
        };
        let mut lines = vec![("query", format!("{name}/{kind}{stream}{ends}"))];
        if !self.decides {
            return lines;
        }
        if !self.is_let() {
            let whose =
                group.map_or_else(|| "its group".to_owned(), |name| format!("group {name}"));
            lines.push(("names", format!("no pattern of {whose} covers it")));
        }
        for naming in self.names.iter().take(TOLD) {
            let label = if lines.len() == 1 { "names" } else { "" };
            lines.push((label, naming.line()));
        }
        if self.names.len() > TOLD {
            let more = self.names.len() - TOLD;
            lines.push(("", format!("and {more} more, which --json lists")));
        }
        lines
    }
}

impl Naming {
    fn line(&self) -> String {
        let whom = self.groups.join(", ");
        let said = match self.says {
            Lets::Ask => "it may be asked for".to_owned(),
            Lets::OtherGroups => format!("it may be asked for by {whom}"),
            Lets::NoPort => "this set names no port, so nobody uses its names".to_owned(),
            Lets::Unselected => "no group selects this set".to_owned(),
            Lets::Denies => "denies packets to it, and lets nobody ask".to_owned(),
            Lets::Ended => "is over".to_owned(),
        };
        let Self { rule, via, .. } = self;
        words::printable(&format!("{rule} through {via}: {said}"))
    }
}
