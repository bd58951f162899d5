//! Rulesets, and what stands in the maps.

use super::*;

fn ruleset(rules: &[Rule]) -> Ruleset {
    let mut set = Ruleset::EMPTY;
    set.len = rules.len() as u32;
    set.rules[..rules.len()].copy_from_slice(rules);
    set
}

fn rule(groups: u64, proto: u8, ports: (u16, u16), set: u16) -> Rule {
    Rule {
        groups,
        port_low: ports.0,
        port_high: ports.1,
        set,
        proto,
        effect: ALLOW,
    }
}

#[test]
fn the_first_fitting_rule_allows_and_the_nearest_miss_says_why_not() {
    let set = ruleset(&[
        rule(0b01, 6, (80, 80), 1),
        rule(0b01, 6, (443, 443), 2),
        rule(0b10, 17, (3478, 3481), 3),
        rule(1 << 63, 6, (0, u16::MAX), 4),
    ]);
    let table = [
        (6, 80, 0, Ok(1)),
        (6, 443, 0, Ok(2)),
        (6, 8443, 0, Err(Reason::WrongPort)),
        (17, 443, 0, Err(Reason::WrongProtocol)),
        (17, 3478, 1, Ok(3)),
        (17, 3481, 1, Ok(3)),
        (17, 3482, 1, Err(Reason::WrongPort)),
        (6, 443, 1, Err(Reason::WrongProtocol)),
        (6, 443, 2, Err(Reason::NoRule)),
        (6, 65535, 63, Ok(4)),
    ];
    for (proto, port, group, expected) in table {
        let seen = match set.decide(proto, port, group) {
            Match::Set(set) => Ok(set),
            Match::Denied(_) => Err(Reason::Denied),
            Match::Not(misses) => Err(misses.nearest()),
        };
        assert_eq!(seen, expected, "{proto} {port} {group}");
    }
    assert_eq!(Ruleset::EMPTY.decide(6, 443, 0), Match::Not(Misses::NONE));
}

#[test]
fn a_denial_in_front_wins_and_one_that_does_not_fit_is_no_miss() {
    let deny = |proto, ports, set| Rule {
        effect: DENY,
        ..rule(1, proto, ports, set)
    };
    let set = ruleset(&[
        deny(6, (22, 22), 7),
        deny(ANY_PROTO, (0, 79), 8),
        rule(1, ANY_PROTO, (0, u16::MAX), 9),
    ]);
    assert_eq!(set.decide(6, 22, 0), Match::Denied(7));
    assert_eq!(set.decide(132, 0, 0), Match::Denied(8));
    assert_eq!(set.decide(6, 443, 0), Match::Set(9));
    // The number of no protocol, which a packet may have all the same.
    assert_eq!(set.decide(ANY_PROTO, 443, 0), Match::Set(9));
    let only = ruleset(&[deny(6, (22, 22), 7)]);
    assert_eq!(only.decide(6, 23, 0), Match::Not(Misses::NONE));
}

#[test]
fn a_rule_to_ask_for_a_name_allows_nothing_else() {
    let ask = Rule {
        effect: ASK,
        ..rule(0b01, ANY_PROTO, (1, 0), u16::MAX)
    };
    let deny = Rule {
        effect: DENY,
        ..rule(0b100, ANY_PROTO, (0, u16::MAX), 7)
    };
    let set = ruleset(&[deny, rule(0b10, 6, (443, 443), 1), ask]);
    for port in [0, 1, 53, u16::MAX] {
        assert_eq!(set.decide(17, port, 0), Match::Not(Misses::NONE), "{port}");
    }
    let asks = [0, 1, 2, 3].map(|group| set.asks(group));
    assert_eq!(asks, [true, true, false, false]);
}

#[test]
fn matches_survive_a_global_function() {
    let misses = (0..8).map(|bits| Match::Not(Misses(bits)));
    let rules = [0, 1, u16::MAX];
    let decided = rules
        .map(Match::Set)
        .into_iter()
        .chain(rules.map(Match::Denied));
    for m in misses.chain(decided) {
        assert_eq!(Match::from_code(m.to_code()), m);
    }
}

#[test]
fn policies_of_groups_survive_the_map() {
    for mode in [Mode::Off, Mode::Audit, Mode::Enforce] {
        for denial in [Denial::Drop, Denial::Reject] {
            for (counters, dns) in [0, 1, 127].into_iter().zip(DnsPolicy::ALL) {
                let policy = GroupPolicy {
                    mode,
                    denial,
                    counters,
                    dns,
                };
                assert_eq!(GroupPolicy::from_value(policy.to_value()), policy);
            }
        }
    }
}

#[test]
fn destinations_survive_the_map() {
    let destination = Destination {
        ruleset: 4095,
        marks: mark::GATEWAY | mark::RESOLVER,
    };
    assert_eq!(Destination::from_value(destination.to_value()), destination);
    assert!(destination.is(mark::GATEWAY) && !destination.is(mark::INTERNAL));
}

#[test]
fn answers_teach_no_address_that_is_no_public_service() {
    let (public, special) = (Addr::v4([203, 0, 112, 5]), Addr::v4([127, 0, 0, 1]));
    assert!(special.is_special() && !public.is_special());
    let table = [
        (public, 0, false),
        (public, mark::RESOLVER | mark::LOCAL_RESOLVER, false),
        (public, mark::LISTED, false),
        (public, mark::GATEWAY, true),
        (public, mark::INTERNAL, true),
        (public, mark::GATEWAY | mark::INTERNAL, true),
        (public, mark::INTERNAL | mark::LISTED, false),
        (special, 0, true),
        (special, mark::INTERNAL, true),
        (special, mark::LISTED, false),
    ];
    for (addr, marks, refuses) in table {
        let destination = Destination { ruleset: 0, marks };
        assert_eq!(destination.refuses(&addr), refuses, "{addr:?} {marks}");
    }
}

#[test]
fn answers_teach_for_their_ttl_between_floor_and_cap_and_for_the_grace() {
    let settings = Settings {
        mode: 0,
        ttl_floor: 60,
        ttl_cap: 3600,
        features: 0,
        grace: 30,
    };
    let table = [
        (0, 60),
        (60, 60),
        (61, 61),
        (3600, 3600),
        (3601, 3600),
        (i32::MAX as u32, 3600),
        // The high bit says 0.
        (i32::MAX as u32 + 1, 60),
        (u32::MAX, 60),
    ];
    for (said, counts) in table {
        assert_eq!(settings.ttl(said), counts, "{said}");
    }
    assert_eq!(settings.taught_ms(60), 90_000);
}

#[test]
fn answers_teach_all_clients_unless_a_feature_says_otherwise() {
    let of = |features| Settings {
        mode: 0,
        ttl_floor: 0,
        ttl_cap: 0,
        features,
        grace: 0,
    };
    assert!(matches!(of(0).scope(), Scope::Policy));
    assert!(matches!(of(feature::FLAT).scope(), Scope::Policy));
    let client = of(feature::CLIENT_SCOPE | feature::FLAT);
    assert!(matches!(client.scope(), Scope::Client));
}

#[test]
fn a_client_is_looked_up_by_zone_and_whole_address() {
    let key = ClientKey::host(1, Addr::v4([10, 0, 0, 1]));
    assert_eq!((key.bits, key.zone.to_ne_bytes()), (160, [0, 0, 0, 1]));
}
