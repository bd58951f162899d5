//! The smallest changes of a config that would let a packet pass.
//!
//! In: a question that was answered with no. Out: changes that were tried: each was made in memory, compiled,
//! and lets the packet pass.

mod name;

use std::collections::HashMap;

use egress_common::{flow::proto, verdict::Reason};
use schemars::JsonSchema;
use serde::Serialize;
use toml::Value;

use super::{
    cover::{Cover, Source},
    ground::{Ground, Judged, Subject, judged},
    nearest::serves,
    question::{Protocol, Question},
};
use crate::{
    catalogue::set::EndpointSet,
    config::{
        Config,
        edit::{self, Edited},
    },
    policy::{compile::compile, tables::HostTables},
};

/// A change of the config that lets the packet pass.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Change {
    /// What it is.
    pub what: String,
    /// The lines as they should be.
    pub toml: String,
    /// Whether these lines are to be taken away.
    pub removes: bool,
}

/// Changes that are told, at most.
const TOLD: usize = 2;

/// Changes that work, the smallest first.
pub fn changes(
    ground: &Ground<'_>,
    question: &Question,
    subject: &Subject,
    told: &Judged,
    covers: &[Cover<'_>],
) -> Vec<Change> {
    let proposals = match told.verdict.reason {
        Reason::NoGroup => members(ground, question),
        Reason::Denied => without(ground, told),
        Reason::NoRule
        | Reason::WrongPort
        | Reason::WrongProtocol
        | Reason::Expired
        | Reason::NeverResolved
        | Reason::NameNotAllowed => {
            let Some(group) = ground.group_named(told.verdict.group) else {
                return Vec::new();
            };
            let mut proposals = selections(ground, question, group, covers);
            proposals.extend(rule(ground, question, subject, group));
            proposals
        }
        Reason::DnsNameRefused => asked(ground, question, told),
        // Queries would get out, and the answers to them admit nothing: all else that the client does would fail.
        Reason::EncryptedDns => Vec::new(),
        _ => Vec::new(),
    };
    let works = |proposal: &Proposal| passes(ground, question, subject, proposal) == Some(true);
    let working = proposals.into_iter().filter(works).take(TOLD);
    working.map(|proposal| proposal.change).collect()
}

/// A change, and the config with it.
struct Proposal {
    change: Change,
    config: Config,
}

impl Proposal {
    fn of(ground: &Ground<'_>, what: String, edited: Edited) -> Option<Self> {
        let config = Config::parse_with(&edited.text, ground.feeds).ok()?;
        let change = Change {
            what,
            toml: edited.lines,
            removes: false,
        };
        Some(Self { change, config })
    }
}

/// The client becomes a member of a group.
fn members(ground: &Ground<'_>, question: &Question) -> Vec<Proposal> {
    let client = question.client.to_string();
    let groups = ground.config.groups.iter();
    let proposals = groups.filter_map(|group| {
        let edited = edit::append(ground.text, &group.name, "clients", &client)?;
        Proposal::of(
            ground,
            format!("take {client} into group {}", group.name),
            edited,
        )
    });
    proposals.collect()
}

/// The rule that denies is taken away.
fn without(ground: &Ground<'_>, told: &Judged) -> Vec<Proposal> {
    let Some(key) = ground.ids.set_named(told.verdict.set) else {
        return Vec::new();
    };
    let mut config = ground.config.clone();
    for group in &mut config.groups {
        group.rules.retain(|rule| rule.key != key);
    }
    let (group, name) = key.split_once(':').unwrap_or((key, ""));
    let toml = match name.strip_prefix("rule-") {
        Some(place) => format!("[[group.{group}.rule]]  # number {place}\n"),
        None => format!("[[group.{group}.rule]]\nname = {}\n", Value::from(name)),
    };
    let what = format!("take the rule {key} out, which denies it");
    let removes = true;
    let change = Change {
        what,
        toml,
        removes,
    };
    vec![Proposal { change, config }]
}

/// The group may ask for the name.
fn asked(ground: &Ground<'_>, question: &Question, told: &Judged) -> Vec<Proposal> {
    let group = ground.group_named(told.verdict.group);
    let asked = question.query.as_ref().zip(group);
    asked.map_or_else(Vec::new, |(query, group)| name::names(ground, query, group))
}

/// The group selects a set that holds destination and port.
fn selections(
    ground: &Ground<'_>,
    question: &Question,
    group: &str,
    covers: &[Cover<'_>],
) -> Vec<Proposal> {
    let service = question.destination.service(question.client.is_ipv4());
    let sets = covers.iter().filter_map(|cover| match cover.source {
        Source::Set(set) => serves(set, service).then_some(set),
        Source::Rule(..) => None,
    });
    let proposals = sets
        .take(TOLD)
        .filter_map(|set| selection(ground, group, set));
    proposals.collect()
}

fn selection(ground: &Ground<'_>, group: &str, set: &EndpointSet) -> Option<Proposal> {
    let edited = edit::append(ground.text, group, "allow", &set.key)?;
    let what = format!(
        "let group {group} select {}, which holds {}",
        set.key,
        holds(set)
    );
    Proposal::of(ground, what, edited)
}

fn holds(set: &EndpointSet) -> String {
    let counted = |count: usize, one: &str, several: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {several}"),
    };
    let prefixes = counted(set.ips.len(), "prefix", "prefixes");
    let patterns = counted(set.urls.len(), "pattern", "patterns");
    format!("{prefixes} and {patterns}")
}

/// A rule of the group's own allows exactly what was asked.
fn rule(
    ground: &Ground<'_>,
    question: &Question,
    subject: &Subject,
    group: &str,
) -> Option<Proposal> {
    let to = match (subject, subject.meant()) {
        (Subject::Name(name), _) => name.clone(),
        (Subject::Address(addr), meant) => meant.unwrap_or(*addr).to_string(),
    };
    let is_v4 = question.client.is_ipv4();
    let mut entries = vec![
        ("action", Value::from("allow")),
        ("to", Value::from(vec![Value::from(to)])),
        ("protocol", protocol(question.destination.protocol, is_v4)),
    ];
    if let Some(port) = question.destination.port {
        entries.push(("ports", Value::from(port.to_string())));
    }
    let edited = edit::add_rule(ground.text, group, &entries);
    let what = format!("give group {group} a rule of its own");
    Proposal::of(ground, what, edited)
}

fn protocol(protocol: Protocol, is_v4: bool) -> Value {
    match (protocol, protocol.number(is_v4)) {
        (Protocol::Ping, _) => Value::from("icmp"),
        (_, proto::TCP) => Value::from("tcp"),
        (_, proto::UDP) => Value::from("udp"),
        (_, proto::SCTP) => Value::from("sctp"),
        (_, number) => Value::from(i64::from(number)),
    }
}

/// Whether the packet passes by the changed config.
fn passes(
    ground: &Ground<'_>,
    question: &Question,
    subject: &Subject,
    proposal: &Proposal,
) -> Option<bool> {
    let mut ids = ground.ids.clone();
    let generation = compile(&proposal.config, ground.circumstances, &mut ids).ok()?;
    let tables = HostTables {
        generation: &generation,
        learned: ground.tables.learned.clone(),
        admitted: ground.tables.admitted.clone(),
        refused: ground.tables.refused.clone(),
        now_ms: ground.tables.now_ms,
        interfaces: ground.tables.interfaces.clone(),
        fragments: HashMap::new(),
    };
    Some(judged(question, subject, &tables)?.verdict.reason.passes())
}
