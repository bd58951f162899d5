//! What fits into the kernel's tables, and what is left out so that it does.

use super::*;

/// Some machines, each at another place.
fn machines(count: u32) -> Membership {
    let zones = (0..count).map(|number| ((number, [2, 0, 0, 0, 0, 1]), number));
    Membership {
        machines: zones.collect(),
        ..Membership::default()
    }
}

/// Some clients, each at another place.
fn clients(count: u32) -> Membership {
    let [everywhere, _] = EVERYBODY;
    let clients = (0..count).map(|zone| ((zone, everywhere), 0));
    Membership {
        clients: clients.collect(),
        ..Membership::default()
    }
}

#[test]
fn tables_hold_as_much_as_they_have_places_for() {
    let nobody = Membership::default();
    let destinations = limits::DESTINATIONS as usize;
    let fitting = [
        (clients(limits::CLIENTS), 0),
        // Those of the generation before stay for a while.
        (machines(limits::MACHINES / 2), 0),
        (nobody.clone(), destinations),
    ];
    for (membership, destinations) in fitting {
        assert_eq!(check_sizes(&membership, destinations), Ok(()));
    }
    let beyond = [
        (clients(limits::CLIENTS + 1), 0, "clients"),
        (machines(limits::MACHINES / 2 + 1), 0, "machines"),
        (nobody, destinations + 1, "destinations"),
    ];
    for (membership, destinations, table) in beyond {
        let seen = check_sizes(&membership, destinations);
        assert!(
            matches!(seen, Err(CompileError::Prefixes { what, .. }) if what == table),
            "{table}: {seen:?}"
        );
    }
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
fn rules_are_left_out_only_where_there_is_no_room() {
    let ports = |count: u16| (1..=count).map(|port| rule(1, 6, (2 * port, 2 * port), 1));
    let needless = rule(1, 6, (2, 2), 2);
    let kept = |rules: Vec<Rule>| {
        let mut rulesets = Rulesets::new();
        let index = rulesets.index("somebody", rules)?;
        Ok(rulesets.rules_of(index).count())
    };
    let of = |count, more: Option<Rule>| kept(ports(count).chain(more).collect());
    assert_eq!(of(63, Some(needless)), Ok(64), "there is room for all");
    assert_eq!(of(64, Some(needless)), Ok(64), "one is left out");
    let refused = Err(CompileError::Rules("somebody".to_owned()));
    assert_eq!(of(65, None), refused);
}

#[test]
fn a_rule_is_needless_if_a_wider_one_says_the_same() {
    let wide = rule(0b11, 6, (80, 90), 1);
    let deny = |rule| Rule {
        effect: DENY,
        ..rule
    };
    let table = [
        ("itself, of another set", Rule { set: 2, ..wide }, true),
        ("fewer ports", rule(0b11, 6, (81, 89), 2), true),
        ("the lower ones", rule(0b11, 6, (80, 89), 2), true),
        ("the upper ones", rule(0b11, 6, (81, 90), 2), true),
        ("one group", rule(0b10, 6, (80, 90), 2), true),
        ("one port below", rule(0b11, 6, (79, 89), 2), false),
        ("one port above", rule(0b11, 6, (81, 91), 2), false),
        ("another group", rule(0b110, 6, (80, 90), 2), false),
        ("other groups", rule(0b100, 6, (80, 90), 2), false),
        ("another protocol", rule(0b11, 17, (80, 90), 2), false),
        ("a denial", deny(wide), false),
    ];
    for (what, narrow, is_needless) in table {
        let expected = if is_needless {
            vec![wide]
        } else {
            vec![wide, narrow]
        };
        assert_eq!(without_redundant(&[wide, narrow]), expected, "{what}");
        let mut turned = without_redundant(&[narrow, wide]);
        // Of two that say the same, the first one stays.
        if (narrow.groups, narrow.port_low, narrow.port_high) != (wide.groups, 80, 90) {
            turned.sort_by_key(|rule| rule.set);
            assert_eq!(turned, expected, "{what}, turned");
        }
    }
    let any = rule(0b1, ANY_PROTO, (0, u16::MAX), 1);
    let tcp = rule(0b1, 6, (80, 80), 2);
    assert_eq!(without_redundant(&[tcp, any]), [any]);
    assert_eq!(without_redundant(&[any, tcp]), [any]);
    let (denies_all, denies) = (deny(any), deny(tcp));
    assert_eq!(without_redundant(&[denies_all, denies]), [denies_all]);
}

#[test]
fn there_are_only_so_many_rulesets() {
    let mut rulesets = Rulesets::new();
    let mut add = |number: u32| {
        let ports = (1 + (number >> 8) as u16, 1 + (number >> 8) as u16);
        rulesets.index("one", vec![rule(1, 6, ports, number as u16 & 0xff)])
    };
    for number in 1..limits::RULESETS {
        assert_eq!(add(number), Ok(number));
    }
    assert_eq!(add(limits::RULESETS), Err(CompileError::Rulesets));
    assert_eq!(add(1), Ok(1), "one that is there");
}
