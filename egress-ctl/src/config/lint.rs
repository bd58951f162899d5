//! What is allowed in a config, but hardly meant.
//!
//! In: a [`Config`]. Out: warnings, one line each.

use std::net::IpAddr;

use egress_common::{dns::policy::DnsPolicy, flow::proto, rule::ANY_PROTO, verdict::Mode};
use ipnet::IpNet;
use jiff::civil::Date;

use super::{
    Config, Group,
    rule::{OwnRule, Service, Target},
    valid::nearest_of,
};
use crate::catalogue::{ports::Ports, set::EndpointSet};

/// All warnings, for a gateway with these addresses on a day.
pub fn warnings(config: &Config, own: &[IpAddr], today: Date) -> Vec<String> {
    let mut warnings = overlaps(&config.groups);
    for group in &config.groups {
        warnings.extend(of_mode(config, group));
        warnings.extend(of_interfaces(config, group));
        warnings.extend(of_dns(config, group));
        warnings.extend(of_rules(config, group, own, today));
    }
    warnings
}

/// Prefixes of one group inside of prefixes of another one, where a client could fit both.
fn overlaps(groups: &[Group]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (first, other) in pairs(groups) {
        let (a, b) = (&first.name, &other.name);
        let mut say =
            |what: String| warnings.push(format!("groups `{a}` and `{b}` overlap: {what}"));
        let others = &other.members.clients;
        match decisive(first, other) {
            None => {
                for prefix in &first.members.clients {
                    let is_around = |wide: &&IpNet| *wide != prefix && wide.contains(prefix);
                    if let Some(wide) = others.iter().find(is_around) {
                        say(format!(
                            "{prefix} is inside of {wide}, and the longer prefix wins"
                        ));
                    }
                }
            }
            Some(mark) => {
                for prefix in &first.members.clients {
                    let shared = others.iter().find_map(|other| shared(prefix, other));
                    if let Some(shared) = shared {
                        say(format!(
                            "both take clients of {shared}, and `{mark}` of `{a}` come first"
                        ));
                    }
                }
            }
        }
    }
    warnings
}

/// What two prefixes share: the longer one.
fn shared(a: &IpNet, b: &IpNet) -> Option<IpNet> {
    let (inside, outside) = (a.contains(b), b.contains(a));
    (inside || outside).then_some(if inside { *b } else { *a })
}

/// Each group with each other one whose clients could be its own, and that does not come before it.
fn pairs(groups: &[Group]) -> impl Iterator<Item = (&Group, &Group)> {
    let all = groups
        .iter()
        .flat_map(|a| groups.iter().map(move |b| (a, b)));
    all.filter(|(a, b)| {
        let (of_a, of_b) = (&a.members, &b.members);
        a.name != b.name && of_a.level() >= of_b.level() && of_a.meets(of_b)
    })
}

/// The key of the marks by which a group comes before another one, whatever their prefixes.
fn decisive(first: &Group, other: &Group) -> Option<&'static str> {
    let more = first.members.level() & !other.members.level();
    match more {
        0 => None,
        4.. => Some("macs"),
        2.. => Some("vlans"),
        _ => Some("interfaces"),
    }
}

/// A mode of a group that the gateway's own makes void.
fn of_mode(config: &Config, group: &Group) -> Option<String> {
    let mode = group.mode.filter(|mode| *mode != Mode::Off)?;
    let is_off = config.gateway.mode == Mode::Off;
    is_off.then(|| {
        format!(
            "group `{}`: mode = \"{}\" says nothing, since gateway.mode is \"off\" and no packet is judged",
            group.name,
            mode.name()
        )
    })
}

/// Interfaces of a group that no client is behind.
fn of_interfaces(config: &Config, group: &Group) -> Vec<String> {
    let lan = &config.gateway.lan;
    let named = group.members.interfaces.iter();
    let warning = |name: &String| {
        let near = nearest_of(name, lan.iter().map(String::as_str));
        format!(
            "group `{}`: interface `{name}` is not in gateway.lan{near}; nobody comes in by it",
            group.name
        )
    };
    named
        .filter(|name| !lan.contains(name))
        .map(warning)
        .collect()
}

/// Rules of a group's own that hold and decide nothing.
fn of_rules(config: &Config, group: &Group, own: &[IpAddr], today: Date) -> Vec<String> {
    let holds = |rule: &&OwnRule| rule.until.is_none_or(|until| until >= today);
    let rules: Vec<_> = group.rules.iter().filter(holds).collect();
    let mut warnings = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        let passed = passed(config, own, rule);
        let all_pass = !rule.to.is_empty() && passed.len() == rule.to.len();
        warnings.extend(passed);
        if !all_pass {
            warnings.extend(needless(config, group, &rules, place));
        }
    }
    warnings
}

/// Targets of a rule that pass whatever rules say.
fn passed(config: &Config, own: &[IpAddr], rule: &OwnRule) -> Vec<String> {
    let key = &rule.key;
    let internal = IpNet::aggregate(&config.gateway.internal);
    let warning = |target: &Target| {
        let Target::Prefix(prefix) = target else {
            return None;
        };
        let plain = plain(prefix);
        if internal.iter().any(|wide| wide.contains(prefix)) {
            return Some(format!(
                "rule {key} decides nothing for {plain}: that is in gateway.internal, which is never judged"
            ));
        }
        own.iter().any(|addr| IpNet::from(*addr) == *prefix).then(|| {
            format!("rule {key} decides nothing for {plain}: that is the gateway itself, which is always reachable")
        })
    };
    rule.to.iter().filter_map(warning).collect()
}

/// A prefix as somebody writes it: of one address that address.
fn plain(prefix: &IpNet) -> String {
    match *prefix == IpNet::from(prefix.addr()) {
        true => prefix.addr().to_string(),
        false => prefix.to_string(),
    }
}

/// Why a rule of those that hold decides nothing, if it does not.
fn needless(config: &Config, group: &Group, rules: &[&OwnRule], place: usize) -> Option<String> {
    let rule = rules.get(place)?;
    let key = &rule.key;
    let by_name = group.dns == DnsPolicy::Strict;
    let mut denials = rules.iter().filter(|other| other.denies != rule.denies);
    let denial = denials.find(|denial| !rule.denies && covers(denial, rule, by_name));
    if let Some(denial) = denial {
        let denial = &denial.key;
        return Some(format!(
            "rule {key} allows nothing: rule {denial} denies all of it, and a denial wins"
        ));
    }
    let sets = config.catalogue.sets().iter();
    let mut selected = sets.filter(|set| !rule.denies && group.allow.contains(&set.key));
    if let Some(set) = selected.find(|set| holds_all(set, rule)) {
        let (set, name) = (&set.key, &group.name);
        return Some(format!(
            "rule {key} adds nothing: group `{name}` selects {set}, which allows all of it"
        ));
    }
    // Of two that say the same, the first one stays.
    let mut alike = rules.iter().enumerate().filter(|(at, other)| {
        let is_other = *at != place && other.denies == rule.denies && covers(other, rule, by_name);
        is_other && (*at < place || !covers(rule, other, by_name))
    });
    let (_, wide) = alike.next()?;
    let does = if rule.denies { "denies" } else { "allows" };
    Some(format!(
        "rule {key} adds nothing: rule {} {does} all of it",
        wide.key
    ))
}

/// What a group says of DNS without any effect.
fn of_dns(config: &Config, group: &Group) -> Vec<String> {
    let name = &group.name;
    let gateway = &config.gateway;
    let mut warnings = Vec::new();
    if group.dns != DnsPolicy::Watch && gateway.resolvers.is_empty() && !gateway.own_resolver {
        let dns = group.dns.name();
        warnings.push(format!(
            "group `{name}`: with dns = \"{dns}\" it may ask no resolver, since gateway.resolvers names none"
        ));
    }
    if group.dns != DnsPolicy::Strict && !group.dns_names.is_empty() {
        warnings.push(format!(
            "group `{name}`: dns-names says nothing without dns = \"strict\", since every name may be asked for"
        ));
    }
    warnings
}

/// Whether a rule is about all that another one is about, for as long as that one holds. Where names are what
/// queries are judged `by_name`, a rule about everything is about no name.
fn covers(wide: &OwnRule, narrow: &OwnRule, by_name: bool) -> bool {
    let lasts = match (wide.until, narrow.until) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide >= narrow,
        (Some(_), None) => false,
    };
    let has_service =
        |service: &Service| wide.services.iter().any(|other| includes(other, service));
    let has_target = |target: &Target| match target {
        Target::Prefix(prefix) => wide.to.iter().any(|other| match other {
            Target::Prefix(other) => other.contains(prefix),
            Target::Name(_) => false,
        }),
        Target::Name(name) => wide.to.iter().any(|other| match other {
            Target::Name(other) => other.covers(name),
            Target::Prefix(_) => false,
        }),
    };
    let names_some = narrow.to.iter().any(|to| matches!(to, Target::Name(_)));
    let is_everything = wide.to.is_empty() && !(by_name && names_some);
    let has_targets = is_everything || !narrow.to.is_empty() && narrow.to.iter().all(has_target);
    lasts && has_targets && narrow.services.iter().all(has_service)
}

fn includes(wide: &Service, narrow: &Service) -> bool {
    [narrow.proto, ANY_PROTO].contains(&wide.proto)
        && wide.low <= narrow.low
        && narrow.high <= wide.high
}

/// Whether an endpoint set allows all that a rule allows.
fn holds_all(set: &EndpointSet, rule: &OwnRule) -> bool {
    let in_ports = |ports: &Ports, service: &Service| {
        let mut ranges = ports.ranges().iter();
        ranges.any(|range| *range.start() <= service.low && service.high <= *range.end())
    };
    let has_service = |service: &Service| match service.proto {
        proto::TCP => in_ports(&set.tcp_ports, service),
        proto::UDP => in_ports(&set.udp_ports, service),
        _ => false,
    };
    let has_target = |target: &Target| match target {
        Target::Prefix(prefix) => set.ips.iter().any(|wide| wide.contains(prefix)),
        Target::Name(name) => set.urls.iter().any(|wide| wide.covers(name)),
    };
    !rule.to.is_empty() && rule.to.iter().all(has_target) && rule.services.iter().all(has_service)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warned(groups: &str) -> Vec<String> {
        let text = format!(
            r#"
[gateway]
mode = "enforce"
lan = ["lan"]
internal = ["10.0.0.0/9", "10.128.0.0/9"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["192.0.2.0/24"]
urls = ["*.example.org"]
tcpPorts = "80-443"
{groups}"#
        );
        let config = Config::parse(&text).unwrap();
        let own = ["192.168.1.1".parse().unwrap()];
        warnings(&config, &own, Date::constant(2026, 11, 22))
    }

    fn of_rules(rules: &str) -> Vec<String> {
        warned(&format!(
            "[group.a]\nclients = [\"10.0.0.0/8\"]\nallow = [\"corp\"]\n{rules}"
        ))
    }

    #[test]
    fn groups_that_overlap_are_named() {
        let seen = warned(
            "[group.a]\nclients = [\"10.0.0.0/8\"]\n[group.b]\nclients = [\"10.1.0.0/16\", \"172.16.0.0/12\"]\n\
             [group.c]\nclients = [\"10.1.2.0/24\"]\nvlans = [5]\n",
        );
        let expected = [
            "groups `b` and `a` overlap: 10.1.0.0/16 is inside of 10.0.0.0/8, and the longer prefix wins",
            "groups `c` and `a` overlap: both take clients of 10.1.2.0/24, and `vlans` of `c` come first",
            "groups `c` and `b` overlap: both take clients of 10.1.2.0/24, and `vlans` of `c` come first",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn groups_that_no_client_fits_both_of_do_not_overlap() {
        let seen = warned(
            "[group.a]\nclients = [\"10.0.0.0/8\"]\nvlans = [6]\n\
             [group.b]\nclients = [\"10.1.0.0/16\"]\nvlans = [5]\ninterfaces = [\"lan\"]\n\
             [group.c]\nclients = [\"172.16.0.0/12\"]\nmacs = [\"02:00:5e:10:00:01\"]\n",
        );
        assert_eq!(seen, Vec::<String>::new());
    }

    #[test]
    fn interfaces_that_have_no_clients_are_named() {
        let seen = warned("[group.a]\ninterfaces = [\"lan\", \"lna\"]\n");
        let expected = "group `a`: interface `lna` is not in gateway.lan, the nearest is `lan`; nobody comes in by it";
        assert_eq!(seen, [expected]);
    }

    #[test]
    fn modes_of_groups_are_void_where_the_gateway_is_off() {
        let off = |mode: &str| {
            let text = format!(
                "[gateway]\nmode = \"off\"\nlan = [\"lan\"]\n[group.a]\nclients = [\"10.0.0.0/8\"]\n{mode}"
            );
            warnings(
                &Config::parse(&text).unwrap(),
                &[],
                Date::constant(2026, 11, 22),
            )
        };
        for mode in ["enforce", "audit"] {
            let said = off(&format!("mode = \"{mode}\"")).concat();
            let expected =
                format!("group `a`: mode = \"{mode}\" says nothing, since gateway.mode is \"off\"");
            assert!(said.starts_with(&expected), "{said}");
        }
        for mode in ["mode = \"off\"", ""] {
            assert_eq!(off(mode), Vec::<String>::new());
        }
    }

    #[test]
    fn dns_policies_without_effect_are_named() {
        let table = [
            ("dns = \"strict\"", "may ask no resolver"),
            ("dns = \"trusted-only\"", "may ask no resolver"),
            ("dns-names = [\"*.x.y\"]", "dns-names says nothing"),
            ("dns = \"watch\"", ""),
        ];
        for (keys, expected) in table {
            let group =
                format!("[group.a]\nclients = [\"10.0.0.0/8\"]\nallow = [\"corp\"]\n{keys}\n");
            let seen = warned(&group).join("\n");
            assert_eq!(seen.is_empty(), expected.is_empty(), "{keys}: {seen}");
            assert!(seen.contains(expected), "{keys}: {seen}");
        }
    }

    #[test]
    fn rules_that_decide_nothing_are_named() {
        const DENY: &str = "[[group.a.rule]]\nname = \"no\"\naction = \"deny\"\n";
        let allow =
            |keys: &str| format!("[[group.a.rule]]\nname = \"yes\"\naction = \"allow\"\n{keys}\n");
        let one =
            |action: &str, keys: &str| format!("[[group.a.rule]]\naction = \"{action}\"\n{keys}\n");
        let table = [
            (
                format!("{DENY}{}", allow("to = [\"198.51.100.1\"]")),
                "allows nothing: rule a:no",
            ),
            (format!("{DENY}{}", allow("")), "allows nothing: rule a:no"),
            (
                format!(
                    "{DENY}to = [\"198.51.100.0/24\"]\n{}",
                    allow("to = [\"198.51.100.1\"]")
                ),
                "allows nothing",
            ),
            (
                format!(
                    "{DENY}to = [\"198.51.100.0/24\"]\n{}",
                    allow("to = [\"198.51.0.0/16\"]")
                ),
                "",
            ),
            (
                format!("{DENY}ports = \"22\"\n{}", allow("to = [\"198.51.100.1\"]")),
                "",
            ),
            (
                format!(
                    "{DENY}until = \"2026-12-31\"\n{}",
                    allow("to = [\"198.51.100.1\"]")
                ),
                "",
            ),
            (
                format!("{DENY}to = [\"*.y\"]\n{}", allow("to = [\"a.x.y\"]")),
                "allows nothing",
            ),
            (
                allow("to = [\"192.0.2.7\"]\nprotocol = \"tcp\"\nports = \"443\""),
                "adds nothing: group `a` selects corp:1",
            ),
            (
                allow("to = [\"a.example.org\"]\nprotocol = \"tcp\"\nports = \"80\""),
                "adds nothing",
            ),
            (allow("to = [\"192.0.2.7\"]\nports = \"443\""), ""),
            (
                allow("to = [\"10.1.0.0/16\"]"),
                "rule a:yes decides nothing for 10.1.0.0/16: that is in gateway.internal",
            ),
            (
                allow("to = [\"10.0.0.0/8\"]"),
                "decides nothing for 10.0.0.0/8",
            ),
            (
                format!("{DENY}to = [\"192.168.1.1\", \"198.51.100.1\"]\n"),
                "rule a:no decides nothing for 192.168.1.1: that is the gateway itself",
            ),
            (
                format!("{DENY}to = [\"192.168.1.0/24\", \"10.0.0.0/7\"]\n"),
                "",
            ),
            (
                allow("to = [\"198.51.100.0/24\"]") + &one("allow", "to = [\"198.51.100.9\"]"),
                "rule a:rule-2 adds nothing: rule a:yes allows all of it",
            ),
            (
                one("allow", "to = [\"198.51.100.9\"]") + &allow(""),
                "rule a:rule-1 adds nothing: rule a:yes allows all of it",
            ),
            (
                one("deny", "to = [\"a.x.y\"]\nports = \"80\"") + &one("deny", "to = [\"*.x.y\"]"),
                "rule a:rule-1 adds nothing: rule a:rule-2 denies all of it",
            ),
            (
                one("deny", "to = [\"a.x.y\"]") + &one("deny", "to = [\"a.x.y\"]"),
                "rule a:rule-2 adds nothing: rule a:rule-1 denies all of it",
            ),
            (
                one("deny", "to = [\"a.x.y\"]")
                    + &one("deny", "to = [\"*.x.y\"]\nuntil = \"2026-12-31\""),
                "",
            ),
            (
                allow("to = [\"192.0.2.7\"]\nprotocol = \"tcp\"\nports = \"443-444\""),
                "",
            ),
            (
                allow("to = [\"192.0.0.0/16\"]\nprotocol = \"tcp\"\nports = \"443\""),
                "",
            ),
        ];
        for (rules, expected) in table {
            let seen = of_rules(&rules).join("\n");
            assert_eq!(seen.is_empty(), expected.is_empty(), "{rules}\n{seen}");
            assert!(seen.contains(expected), "{rules}\n{seen}");
        }
    }

    #[test]
    fn a_name_that_a_strict_group_may_ask_for_is_not_needless() {
        let rules = "[[group.a.rule]]\naction = \"allow\"\n\
                     [[group.a.rule]]\naction = \"allow\"\nto = [\"a.x.y\"]\n";
        assert!(of_rules(rules).concat().contains("a:rule-2 adds nothing"));
        let strict = format!("dns = \"strict\"\n{rules}");
        assert!(!of_rules(&strict).concat().contains("adds nothing"));
    }
}
