//! Every rule that came near a packet, and why it did not match.
//!
//! In: what covers a destination, as the config writes it, and who asks for what. Out: one line of each.

use egress_common::{flow::proto, rule::ANY_PROTO};
use jiff::civil::Date;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    cover::{Cover, Source, groups_of},
    words,
};
use crate::{
    catalogue::ports::Ports,
    config::{Config, rule::Service},
};

/// A rule, and what it says of a packet.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Near {
    /// Key of an endpoint set, or of a rule of a group's own.
    pub rule: String,
    /// Prefix or pattern by which it covers the destination.
    pub via: String,
    /// Whether it denies.
    pub denies: bool,
    /// Protocols and ports that it is about.
    pub services: String,
    /// Groups that it is for.
    pub groups: Vec<String>,
    /// The last day on which it holds.
    pub until: Option<Date>,
    /// Seconds for which the answer that taught the address still counts; negative if that is over.
    pub answer_seconds_left: Option<i64>,
    /// What it says.
    pub says: Says,
}

/// What a rule says of a packet, from near to far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// It decides.
    Decides,
    /// It fits as well, but another decides.
    Fits,
    /// It fits, but the answer that taught the address has expired.
    Expired,
    /// It fits on other ports of the protocol.
    OtherPorts,
    /// It fits with other protocols.
    OtherProtocol,
    /// It fits for other groups.
    OtherGroups,
    /// It would fit, if a group selected its set.
    Unselected,
    /// It held until a day that is over.
    Ended,
}

/// Who asks for what.
pub struct Asked<'a> {
    /// The client's group.
    pub group: Option<&'a str>,
    /// Protocol and port, as in a flow.
    pub service: (u8, u16),
    /// Key of the rule that decided.
    pub decided: Option<&'a str>,
    /// The day for which the policy was compiled.
    pub today: Date,
}

/// What the rules say that cover a destination, the nearest first. `left` is of the answer by which they do.
pub fn near(
    config: &Config,
    covers: &[Cover<'_>],
    left: Option<i64>,
    asked: &Asked<'_>,
) -> Vec<Near> {
    let said = covers.iter().map(|cover| said(config, cover, left, asked));
    let mut all: Vec<_> = said.collect();
    all.sort_by_key(|near| near.says);
    all
}

fn said(config: &Config, cover: &Cover<'_>, left: Option<i64>, asked: &Asked<'_>) -> Near {
    let (rule, denies, services, groups, until) = match cover.source {
        Source::Set(set) => {
            let services = [(proto::TCP, &set.tcp_ports), (proto::UDP, &set.udp_ports)];
            let services = services
                .into_iter()
                .flat_map(|(proto, ports)| of_ports(proto, ports));
            (
                &set.key,
                false,
                services.collect(),
                groups_of(config, set),
                None,
            )
        }
        Source::Rule(group, rule) => {
            let groups = vec![group.name.clone()];
            (
                &rule.key,
                rule.denies,
                rule.services.clone(),
                groups,
                rule.until,
            )
        }
    };
    let is_for = asked
        .group
        .is_some_and(|group| groups.iter().any(|name| name == group));
    let (proto, port) = asked.service;
    let of_proto = |service: &&Service| [proto, ANY_PROTO].contains(&service.proto);
    let on_port = |service: &Service| (service.low..=service.high).contains(&port);
    let says = if groups.is_empty() {
        Says::Unselected
    } else if until.is_some_and(|until| until < asked.today) {
        Says::Ended
    } else if !is_for {
        Says::OtherGroups
    } else if !services.iter().any(|service| of_proto(&service)) {
        Says::OtherProtocol
    } else if !services.iter().filter(of_proto).any(on_port) {
        Says::OtherPorts
    } else if asked.decided == Some(rule) {
        Says::Decides
    } else if left.is_some_and(|left| left <= 0) {
        Says::Expired
    } else {
        Says::Fits
    };
    Near {
        rule: rule.clone(),
        via: cover.via.clone(),
        denies,
        services: listed(&services),
        groups,
        until,
        answer_seconds_left: left,
        says,
    }
}

fn of_ports(proto: u8, ports: &Ports) -> Vec<Service> {
    let ranges = ports.ranges().iter();
    let service = |range: &std::ops::RangeInclusive<u16>| Service {
        proto,
        low: *range.start(),
        high: *range.end(),
    };
    ranges.map(service).collect()
}

/// `tcp 80,443, udp 3478-3481`.
fn listed(services: &[Service]) -> String {
    let texts: Vec<_> = services
        .chunk_by(|a, b| a.proto == b.proto)
        .map(|of_one| {
            let texts = of_one
                .iter()
                .map(|s| words::services(s.proto, s.low, s.high));
            let mut texts: Vec<String> = texts.collect();
            let name = format!(
                "{} ",
                words::protocol(of_one.first().map_or(0, |s| s.proto))
            );
            for text in texts.iter_mut().skip(1) {
                *text = text.trim_start_matches(&name).to_owned();
            }
            texts.join(",")
        })
        .collect();
    match texts.is_empty() {
        true => "no port".to_owned(),
        false => texts.join(", "),
    }
}

impl Near {
    /// The line that tells of it; `service` is what was asked, as words.
    pub fn line(&self, service: &str, group: Option<&str>) -> String {
        let Self {
            rule,
            via,
            services,
            groups,
            ..
        } = self;
        let is_allowed = if self.denies { "denied" } else { "allowed" };
        let does = if self.denies { "denies" } else { "allows" };
        let until = self
            .until
            .map(|until| format!(" until {until}"))
            .unwrap_or_default();
        let said = match self.says {
            Says::Decides => format!("{does} it{until}"),
            Says::Fits => format!("{does} it{until} as well"),
            Says::Expired => {
                let ago = -self.answer_seconds_left.unwrap_or_default();
                format!(
                    "would {} it, but its answer expired {ago} s ago",
                    does.trim_end_matches('s')
                )
            }
            Says::OtherPorts | Says::OtherProtocol => {
                format!("{services} is {is_allowed}, {service} was asked")
            }
            Says::OtherGroups => {
                let whom = groups.join(", ");
                let not = group
                    .map(|group| format!(", not for {group}"))
                    .unwrap_or_default();
                format!("{services} is {is_allowed} for {whom}{not}")
            }
            Says::Unselected => format!("{services}, but no group selects this set"),
            Says::Ended => {
                let day = self
                    .until
                    .map(|until| until.to_string())
                    .unwrap_or_default();
                format!("ended on {day}")
            }
        };
        words::printable(&format!("{rule} through {via}: {said}"))
    }
}
