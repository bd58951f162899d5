//! What is allowed in a config, but hardly meant.
//!
//! In: a [`Config`]. Out: warnings, one line each.

use egress_common::{dns::policy::DnsPolicy, flow::proto, rule::ANY_PROTO};
use jiff::civil::Date;

use super::{
    Config, Group,
    rule::{OwnRule, Service, Target},
};
use crate::catalogue::{ports::Ports, set::EndpointSet};

/// All warnings, for a day.
pub fn warnings(config: &Config, today: Date) -> Vec<String> {
    let mut warnings = overlaps(&config.groups);
    for group in &config.groups {
        warnings.extend(of_group(config, group, today));
    }
    warnings
}

/// Prefixes of one group inside of prefixes of another one that the same marks lead to.
fn overlaps(groups: &[Group]) -> Vec<String> {
    let mut warnings = Vec::new();
    for (narrow, wide) in pairs(groups) {
        let prefixes = narrow.members.clients.iter();
        for prefix in prefixes {
            let mut around = wide.members.clients.iter();
            if let Some(around) = around.find(|around| *around != prefix && around.contains(prefix))
            {
                warnings.push(format!(
                    "groups `{}` and `{}` overlap: {prefix} is inside of {around}, and the longer prefix wins",
                    narrow.name, wide.name
                ));
            }
        }
    }
    warnings
}

/// Each group with each other one whose clients could be its own.
fn pairs(groups: &[Group]) -> impl Iterator<Item = (&Group, &Group)> {
    let all = groups
        .iter()
        .flat_map(|a| groups.iter().map(move |b| (a, b)));
    all.filter(|(a, b)| {
        let (of_a, of_b) = (&a.members, &b.members);
        a.name != b.name && of_a.level() == of_b.level() && of_a.meets(of_b)
    })
}

/// Rules of a group's own that hold and decide nothing.
fn of_group(config: &Config, group: &Group, today: Date) -> Vec<String> {
    let holds = |rule: &&OwnRule| rule.until.is_none_or(|until| until >= today);
    let rules = || group.rules.iter().filter(holds);
    let mut warnings = of_dns(config, group);
    for rule in rules().filter(|rule| !rule.denies) {
        let mut denials = rules().filter(|other| other.denies);
        let key = &rule.key;
        if let Some(denial) = denials.find(|denial| covers(denial, rule)) {
            let denial = &denial.key;
            warnings.push(format!(
                "rule {key} allows nothing: rule {denial} denies all of it, and a denial wins"
            ));
            continue;
        }
        let sets = config.catalogue.sets().iter();
        let mut selected = sets.filter(|set| group.allow.contains(&set.key));
        if let Some(set) = selected.find(|set| holds_all(set, rule)) {
            let set = &set.key;
            warnings.push(format!(
                "rule {key} adds nothing: group `{}` selects {set}, which allows all of it",
                group.name
            ));
        }
    }
    warnings
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

/// Whether a rule is about all that another one is about, for as long as that one holds.
fn covers(wide: &OwnRule, narrow: &OwnRule) -> bool {
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
    let has_targets =
        wide.to.is_empty() || !narrow.to.is_empty() && narrow.to.iter().all(has_target);
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
        warnings(&config, Date::constant(2026, 11, 22))
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
        let expected = "groups `b` and `a` overlap: 10.1.0.0/16 is inside of 10.0.0.0/8, and the longer prefix wins";
        assert_eq!(seen, [expected], "VLANs come before addresses");
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
}
