//! Unions, sharing and bounds of compiled generations.

use std::collections::BTreeSet;

use egress_common::{flow::Flow, judge::judge, rule::Match, verdict::Reason};
use proptest::prelude::*;

use super::*;
use crate::policy::tables::HostTables;

mod bounds;
mod features;
mod own;

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
resolvers = ["gateway", "10.0.0.53"]
internal = ["10.0.0.0/8"]

[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["192.0.2.0/24"]
urls = ["*.x.y", "a.x.y"]
tcpPorts = "80,443"
[[source.corp.set]]
id = 2
ips = ["192.0.2.128/25", "192.0.2.0/24"]
urls = ["*x.y", "b.x.y"]
udpPorts = "3478-3481"
[[source.corp.set]]
id = 3
ips = ["192.0.2.200/32"]
urls = ["a-*.x.y"]
tcpPorts = "22"

[group.a]
clients = ["172.16.0.0/16"]
allow = ["corp:1", "corp:2"]

[group.b]
clients = ["172.16.1.0/24"]
allow = ["corp:1", "corp:3"]
"#;

fn generation() -> Generation {
    let config = Config::parse(CONFIG).unwrap();
    let own = ["172.16.0.1".parse().unwrap()];
    compile(&config, on(&own), &mut Ids::default()).unwrap()
}

/// A gateway with these addresses, on a day.
fn on(own: &[IpAddr]) -> Circumstances<'_> {
    let today = Date::constant(2026, 11, 22);
    Circumstances { own, today }
}

fn flow(src: &str, dst: &str, proto: u8, dst_port: u16) -> Flow {
    let addr = |text: &str| text.parse::<IpAddr>().unwrap().into();
    Flow {
        src_port: 40_000,
        dst_port,
        proto,
        ..Flow::between(addr(src), addr(dst))
    }
}

#[test]
fn nested_and_equal_prefixes_give_the_union() {
    let generation = generation();
    let tables = HostTables::new(&generation);
    let a = "172.16.9.9";
    let b = "172.16.1.9";
    let table = [
        (a, "192.0.2.1", 6, 443, Reason::Prefix),
        (a, "192.0.2.1", 17, 3478, Reason::Prefix),
        (a, "192.0.2.129", 6, 80, Reason::Prefix),
        (a, "192.0.2.129", 17, 3481, Reason::Prefix),
        (a, "192.0.2.200", 6, 443, Reason::Prefix),
        (a, "192.0.2.200", 6, 22, Reason::WrongPort),
        (b, "192.0.2.200", 6, 22, Reason::Prefix),
        (b, "192.0.2.200", 6, 443, Reason::Prefix),
        (b, "192.0.2.200", 17, 3478, Reason::WrongProtocol),
        (b, "192.0.2.1", 6, 22, Reason::WrongPort),
        (a, "192.0.3.1", 6, 443, Reason::NeverResolved),
        (a, "10.0.0.53", 17, 53, Reason::Internal),
        (a, "172.16.0.1", 17, 53, Reason::Gateway),
        ("192.168.1.1", "192.0.2.1", 6, 443, Reason::NoGroup),
        (a, "224.0.0.251", 17, 5353, Reason::LinkScope),
    ];
    for (src, dst, proto, port, expected) in table {
        let verdict = judge(&flow(src, dst, proto, port), &tables);
        assert_eq!(verdict.reason, expected, "{src} {dst} {proto}/{port}");
    }
}

#[test]
fn patterns_carry_what_every_pattern_over_them_allows() {
    let generation = generation();
    let table = [
        ("a.x.y", 6, 443, true),
        ("a.x.y", 17, 3478, true),
        ("b.x.y", 6, 443, true),
        ("b.x.y", 17, 3478, true),
        ("c.x.y", 6, 80, true),
        ("x.y", 17, 3478, true),
        ("x.y", 6, 443, false),
        ("ax.y", 6, 443, false),
        ("a-1.x.y", 6, 22, true),
        ("a-1.x.y", 6, 443, true),
        ("a-.x.y", 6, 22, false),
    ];
    for (name, proto, port, expected) in table {
        let pattern = generation.pattern_of(name).unwrap();
        let ruleset = &generation.rulesets[pattern.ruleset as usize];
        let mut groups = 0..2;
        let allowed =
            groups.any(|group| matches!(ruleset.decide(proto, port, group), Match::Set(_)));
        assert_eq!(allowed, expected, "{name} {proto}/{port}");
    }
    assert!(generation.pattern_of("y").is_none());
}

#[test]
fn of_several_meetings_a_name_finds_its_own() {
    let patterns = "urls = [\"*.x.y\", \"a*.y\", \"b*.y\"]";
    let text = CONFIG.replacen("urls = [\"*.x.y\", \"a.x.y\"]", patterns, 1);
    let config = Config::parse(&text).unwrap();
    let generation = compile(&config, on(&[]), &mut Ids::default()).unwrap();
    for (name, text) in [("a1.x.y", "*.x.y & a*.y"), ("b1.x.y", "*.x.y & b*.y")] {
        let id = generation.pattern_of(name).unwrap().id;
        let found = generation.meetings.iter().find(|one| one.id == id);
        assert_eq!(found.unwrap().text, text, "{name}");
    }
}

#[test]
fn equal_rulesets_are_shared_and_marks_are_inherited() {
    let generation = generation();
    let of = |text: &str| generation.destinations[&text.parse().unwrap()];
    assert_eq!(of("10.0.0.53/32").marks, mark::INTERNAL | mark::RESOLVER);
    assert_eq!(
        of("172.16.0.1/32").marks,
        mark::GATEWAY | mark::LOCAL_RESOLVER
    );
    assert_eq!(of("10.0.0.0/8").ruleset, 0);
    assert_eq!(of("192.0.2.200/32").marks, mark::LISTED);
    // The upper half is covered by both sets, as the whole is.
    assert_eq!(of("192.0.2.0/24").ruleset, of("192.0.2.128/25").ruleset);
}

#[test]
fn ids_stay_when_the_policy_changes() {
    let mut ids = Ids::default();
    let config = Config::parse(CONFIG).unwrap();
    let first = compile(&config, on(&[]), &mut ids).unwrap();
    let config = Config::parse(&CONFIG.replace("\"a.x.y\"", "\"0.x.y\"")).unwrap();
    let second = compile(&config, on(&[]), &mut ids).unwrap();
    let id = |generation: &Generation, text: &str| {
        let is_it = |p: &&Pattern| p.pattern.to_string() == text;
        generation.patterns.iter().find(is_it).map(|p| p.id)
    };
    assert_eq!(id(&first, "b.x.y"), id(&second, "b.x.y"));
    assert!(id(&second, "0.x.y") > id(&first, "b.x.y"));
    assert_eq!(id(&second, "a.x.y"), None);
}

#[test]
fn a_ruleset_that_is_too_long_is_refused_by_name() {
    let mut config = Config::parse(CONFIG).unwrap();
    let mut sets: Vec<EndpointSet> = config.catalogue.sets().to_vec();
    let ports = |from: u16| {
        (0..50)
            .map(|i| (from + 2 * i).to_string())
            .collect::<Vec<_>>()
            .join(",")
    };
    sets[0].tcp_ports = ports(1000).parse().unwrap();
    sets[1].tcp_ports = ports(2000).parse().unwrap();
    config.catalogue = crate::catalogue::Catalogue::default();
    config.catalogue.add("corp", sets).unwrap();
    let error = compile(&config, on(&[]), &mut Ids::default()).unwrap_err();
    assert!(matches!(error, CompileError::Rules(_)), "{error}");
}

#[test]
fn each_of_sixty_four_groups_is_judged_by_its_own_rules() {
    let (head, _) = CONFIG.split_once("[group.a]").unwrap();
    let group = |n: u8| {
        format!(
            "[group.g{n:02}]\nclients = [\"172.16.{n}.0/24\"]\n[[group.g{n:02}.rule]]\naction = \"allow\"\n\
             to = [\"198.51.100.{n}\"]\nprotocol = \"tcp\"\nports = \"443\"\n"
        )
    };
    let text = head.to_owned() + &(0..64).map(group).collect::<String>();
    let config = Config::parse(&text).unwrap();
    let mut ids = Ids::default();
    let generation = compile(&config, on(&[]), &mut ids).unwrap();
    assert_eq!(generation.groups.len(), limits::GROUPS);
    let tables = HostTables::new(&generation);
    for from in 0..64 {
        for to in 0..64 {
            let (client, server) = (format!("172.16.{from}.9"), format!("198.51.100.{to}"));
            let verdict = judge(&flow(&client, &server, 6, 443), &tables);
            let expected = if from == to {
                Reason::Prefix
            } else {
                Reason::NoRule
            };
            assert_eq!(verdict.reason, expected, "{client} {server}");
            if from == to {
                let rule = ids.set(&format!("g{from:02}:rule-1")).unwrap();
                assert_eq!(verdict.set, rule, "{client}");
            }
        }
    }
}

#[test]
fn what_a_config_hardly_means_is_warned_of() {
    let gateway = "[gateway]\nmode = \"enforce\"\nlan = [\"lan\"]\n[source.corp]\nkind = \"custom\"\n\
                   [[source.corp.set]]\nid = 1\nips = [\"192.0.2.0/24\"]\n";
    let clients = "[group.a]\nclients = [\"172.16.0.0/16\"]\n";
    let table = [
        (
            format!("{clients}allow = [\"corp:1/optimize\"]"),
            "group `a`: `corp:1/optimize` selects no endpoint set",
        ),
        (
            format!("{clients}allow = []"),
            "group `a` may reach nothing",
        ),
        (
            format!("{clients}[[group.a.rule]]\naction = \"deny\""),
            "group `a` may reach nothing",
        ),
        (
            format!("{clients}allow = [\"corp\"]"),
            "set corp:1 names no port, so it is reachable on none",
        ),
        (
            format!("{clients}[[group.a.rule]]\naction = \"allow\"\nuntil = \"2026-11-21\""),
            "rule a:rule-1 ended on 2026-11-21: remove it",
        ),
        (
            format!("{clients}[[group.a.rule]]\naction = \"allow\"\nuntil = \"2026-11-22\""),
            "",
        ),
        (
            format!("{clients}[[group.a.rule]]\naction = \"allow\"\nuntil = \"2026-11-23\""),
            "",
        ),
        (
            format!(
                "{clients}steer.optimize = {{ mark = 1 }}\n[[group.a.rule]]\naction = \"allow\""
            ),
            "group `a`: steer `optimize` steers no endpoint set that the group may reach",
        ),
        (
            format!(
                "{clients}[[group.a.rule]]\naction = \"allow\"\n[group.b]\ninterfaces = [\"lan\"]\n[[group.b.rule]]\naction = \"allow\""
            ),
            "group `a` takes nobody: groups that come before it take all of its clients",
        ),
        (format!("{clients}[[group.a.rule]]\naction = \"allow\""), ""),
    ];
    for (groups, expected) in table {
        let config = Config::parse(&format!("{gateway}{groups}\n")).unwrap();
        let warnings = compile(&config, on(&[]), &mut Ids::default())
            .unwrap()
            .warnings;
        let is_there = warnings.iter().any(|warning| warning == expected);
        assert_eq!(is_there, !expected.is_empty(), "{groups}\n{warnings:#?}");
        assert_eq!(warnings.is_empty(), expected.is_empty(), "{warnings:#?}");
    }
}

proptest! {
    #[test]
    fn leaving_out_redundant_rules_changes_no_decision(
        rules in prop::collection::vec((0..4u64, 0..2u8, 1..20u16, 0..6u16, 0..5u16), 0..30),
    ) {
        let rules: Vec<Rule> = rules
            .into_iter()
            .map(|(groups, proto, port_low, more, set)| Rule {
                groups, port_low, port_high: port_low + more, set, proto, effect: ALLOW,
            })
            .collect();
        let allows = |rules: &[Rule]| -> BTreeSet<(u32, u8, u16)> {
            let mut allowed = BTreeSet::new();
            for group in 0..2 {
                for proto in 0..2 {
                    for port in 0..30 {
                        if rules.iter().any(|r| r.groups >> group & 1 == 1 && r.proto == proto
                            && (r.port_low..=r.port_high).contains(&port)) {
                            allowed.insert((group, proto, port));
                        }
                    }
                }
            }
            allowed
        };
        let expected = allows(&rules);
        prop_assert_eq!(&allows(&merged(rules.clone())), &expected);
        prop_assert_eq!(&allows(&without_redundant(&merged(rules))), &expected);
    }
}
