//! Rules and names of a group's own.

use super::*;

const GATEWAY: &str = "[gateway]\nmode = \"enforce\"\nlan = [\"lan\"]\n\
                       [group.a]\nclients = [\"172.16.0.0/16\"]\n";

#[test]
fn a_rule_holds_up_to_its_last_day() {
    let allows = |until: &str| {
        let rule = format!(
            "[[group.a.rule]]\naction = \"allow\"\nto = [\"192.0.2.1\"]\nprotocol = \"tcp\"\n\
             ports = \"443\"\nuntil = \"{until}\"\n"
        );
        let config = Config::parse(&format!("{GATEWAY}{rule}")).unwrap();
        let generation = compile(&config, on(&[]), &mut Ids::default()).unwrap();
        let flow = flow("172.16.0.9", "192.0.2.1", 6, 443);
        judge(&flow, &HostTables::new(&generation)).reason
    };
    assert_eq!(allows("2026-11-21"), Reason::NeverResolved);
    assert_eq!(allows("2026-11-22"), Reason::Prefix);
    assert_eq!(allows("2026-11-23"), Reason::Prefix);
}

#[test]
fn strict_groups_ask_for_their_names_and_for_reverse_ones_and_reach_nothing_by_that() {
    let groups = "[group.b]\nclients = [\"172.17.0.0/16\"]\ndns = \"strict\"\n\
                  dns-names = [\"*.b.example\"]\n";
    let config = Config::parse(&format!("{GATEWAY}{groups}")).unwrap();
    let generation = compile(&config, on(&[]), &mut Ids::default()).unwrap();
    let strict = config.groups.iter().position(|group| group.name == "b");
    let strict = strict.unwrap() as u32;
    for name in [
        "x.b.example",
        "1.0.0.10.in-addr.arpa",
        "1.0.8.b.d.0.1.0.0.2.ip6.arpa",
    ] {
        let teacher = generation.pattern_of(name).unwrap();
        let ruleset = &generation.rulesets[teacher.ruleset as usize];
        let asks = [0, 1].map(|group| ruleset.asks(group));
        assert_eq!(asks, [0, 1].map(|group| group == strict), "{name}");
        for port in [0, 1, 443] {
            assert!(matches!(ruleset.decide(6, port, strict), Match::Not(_)));
        }
    }
    assert_eq!(generation.pattern_of("x.example"), None);
}
