//! Rules of a group's own.
//!
//! In: `[[group.NAME.rule]]` tables. Out: [`OwnRule`]s.

use egress_common::{
    flow::{ECHO_V4, ECHO_V6, proto},
    pattern::NamePattern,
    rule::ANY_PROTO,
};
use ipnet::IpNet;
use jiff::civil::Date;
use toml::Spanned;

use super::{
    parsed, prefix,
    problem::Problems,
    raw::{RawProtocol, RawRule},
    valid::{is_nearest, unknown},
};
use crate::catalogue::ports::Ports;

/// A rule that the administrator wrote for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnRule {
    /// What counters and explanations call it: group, and the name or the place in the config.
    pub key: String,
    /// Whether it denies; a denial wins over everything that allows.
    pub denies: bool,
    /// Destinations; everywhere where there is none.
    pub to: Vec<Target>,
    /// Protocols and ports.
    pub services: Vec<Service>,
    /// The last day on which it holds.
    pub until: Option<Date>,
}

/// A destination of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// All addresses of a prefix.
    Prefix(IpNet),
    /// All addresses that DNS answers give for names.
    Name(NamePattern),
}

/// A protocol, and which of its ports (of ICMP: type and code, as in a flow).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// IP protocol number, or [`ANY_PROTO`].
    pub proto: u8,
    /// First port.
    pub low: u16,
    /// Last port.
    pub high: u16,
}

impl Service {
    fn whole(proto: u8) -> Self {
        Self {
            proto,
            low: 0,
            high: u16::MAX,
        }
    }
}

/// All rules of a group that can be read.
pub(super) fn rules(
    group: &str,
    raw: Vec<Spanned<RawRule>>,
    problems: &mut Problems<'_>,
) -> Vec<OwnRule> {
    let mut rules: Vec<OwnRule> = Vec::new();
    for (place, raw) in (1..).zip(raw) {
        let span = raw.span();
        let key = format!("group.{group}.rule.action");
        if raw.get_ref().action.is_none() && !problems.excuses(&key) {
            let message = "is missing: write action = \"allow\" or \"deny\"";
            problems.add(span.clone(), &key, message);
        }
        let Some(rule) = rule(group, place, raw.into_inner(), problems) else {
            continue;
        };
        if rules.iter().any(|other| other.key == rule.key) {
            let message = format!("another rule of the group is called `{}` already", rule.key);
            problems.add(span, &format!("group.{group}.rule.name"), message);
        }
        rules.push(rule);
    }
    rules
}

fn rule(group: &str, place: usize, raw: RawRule, problems: &mut Problems<'_>) -> Option<OwnRule> {
    let key = |key: &str| format!("group.{group}.rule.{key}");
    let RawRule {
        name,
        action,
        to,
        protocol,
        ports,
        until,
    } = raw;
    let denies = action.and_then(|action| match action.get_ref().as_str() {
        "allow" => Some(false),
        "deny" => Some(true),
        _ => {
            problems.unknown(&action, &key("action"), "action", &["allow", "deny"]);
            None
        }
    });
    let until = until.and_then(|text| match text.get_ref().parse::<Date>() {
        Ok(date) => Some(date),
        Err(_) => {
            let near = near_date(text.get_ref())
                .map(is_nearest)
                .unwrap_or_default();
            let message = format!("`{}` is no date{near}: write 2026-12-31", text.get_ref());
            problems.add(text.span(), &key("until"), message);
            None
        }
    });
    // All of it is read before what is missing ends it.
    let to = parsed(&to, &key("to"), problems, target);
    let services = services(protocol, ports, &key, problems);
    Some(OwnRule {
        key: match name {
            Some(name) => format!("{group}:{}", name.into_inner()),
            None => format!("{group}:rule-{place}"),
        },
        denies: denies?,
        to,
        services: services?,
        until,
    })
}

/// The day that is meant by one that the calendar does not have.
fn near_date(text: &str) -> Option<Date> {
    let mut parts = text.split('-').map(str::parse::<i16>);
    let (Some(Ok(year)), Some(Ok(month)), Some(Ok(day)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let first = Date::new(year, month.clamp(1, 12) as i8, 1).ok()?;
    let day = day.clamp(1, i16::from(first.days_in_month()));
    Date::new(year, first.month(), day as i8).ok()
}

fn target(text: &str) -> Result<Target, String> {
    // A name never holds what every prefix holds; `10.0.0.0/8x` is a mistyped prefix.
    let is_numeric = text.contains(['/', ':']) || text.parse::<std::net::IpAddr>().is_ok();
    if is_numeric {
        return prefix(text).map(Target::Prefix);
    }
    let name = text.parse().map_err(|fault| format!("`{text}`: {fault}"))?;
    Ok(Target::Name(name))
}

/// What protocol and ports together mean; nothing where they contradict each other.
fn services(
    protocol: Option<Spanned<RawProtocol>>,
    ports: Option<Spanned<String>>,
    key: &dyn Fn(&str) -> String,
    problems: &mut Problems<'_>,
) -> Option<Vec<Service>> {
    let protocols = match &protocol {
        None if ports.is_some() => vec![Service::whole(proto::TCP), Service::whole(proto::UDP)],
        None => vec![Service::whole(ANY_PROTO)],
        Some(protocol) => match self::protocol(protocol.get_ref()) {
            Ok(protocols) => protocols,
            Err(message) => {
                problems.add(protocol.span(), &key("protocol"), message);
                return None;
            }
        },
    };
    let Some(ports) = ports else {
        return Some(protocols);
    };
    let with_ports = [
        proto::TCP,
        proto::UDP,
        proto::SCTP,
        proto::DCCP,
        proto::UDP_LITE,
    ];
    if !protocols
        .iter()
        .all(|service| with_ports.contains(&service.proto))
    {
        problems.add(
            ports.span(),
            &key("ports"),
            "only tcp, udp, sctp, dccp and udplite have ports",
        );
        return None;
    }
    let ranges: Ports = match ports.get_ref().parse() {
        Ok(ranges) => ranges,
        Err(fault) => {
            problems.add(ports.span(), &key("ports"), fault);
            return None;
        }
    };
    let of = |service: &Service| {
        let proto = service.proto;
        ranges.ranges().iter().map(move |range| Service {
            proto,
            low: *range.start(),
            high: *range.end(),
        })
    };
    Some(protocols.iter().flat_map(of).collect())
}

/// Protocols by name (`icmp` is a ping, of IPv4 and of IPv6) or by number.
fn protocol(raw: &RawProtocol) -> Result<Vec<Service>, String> {
    let echo = |proto, low: u16| Service {
        proto,
        low,
        high: low | 0xff,
    };
    let name = match raw {
        RawProtocol::Number(number) => return by_number(*number),
        RawProtocol::Name(name) => name.as_str(),
    };
    Ok(match name {
        "tcp" => vec![Service::whole(proto::TCP)],
        "udp" => vec![Service::whole(proto::UDP)],
        "sctp" => vec![Service::whole(proto::SCTP)],
        "dccp" => vec![Service::whole(proto::DCCP)],
        "udplite" => vec![Service::whole(proto::UDP_LITE)],
        "esp" => vec![Service::whole(proto::ESP)],
        "ah" => vec![Service::whole(proto::AH)],
        "icmp" => vec![echo(proto::ICMP, ECHO_V4), echo(proto::ICMPV6, ECHO_V6)],
        other => {
            let known = ["tcp", "udp", "sctp", "dccp", "udplite", "icmp", "esp", "ah"];
            let message = unknown("protocol", other, &known);
            return Err(format!(
                "{message}, and all by number, as in `protocol = 47`"
            ));
        }
    })
}

/// A protocol by its number; 255 is reserved (IANA, Protocol Numbers).
fn by_number(number: i64) -> Result<Vec<Service>, String> {
    match u8::try_from(number) {
        Ok(ANY_PROTO) | Err(_) => {
            let near = is_nearest(number.clamp(0, i64::from(ANY_PROTO) - 1));
            Err(format!(
                "`{number}` is no protocol{near}: they are 0 to 254; leave `protocol` out for all of them"
            ))
        }
        Ok(number) => Ok(vec![Service::whole(number)]),
    }
}
