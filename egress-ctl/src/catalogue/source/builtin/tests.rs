//! The counts that a correct reading of the documents finds, and the traps in them.

use std::collections::BTreeSet;

use super::*;
use crate::catalogue::set::Category;

/// What a source or a section holds; `distinct` counts after duplicates are left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    sets: usize,
    names: usize,
    distinct_names: usize,
    /// (name, protocol, port).
    rules: usize,
    distinct_rules: usize,
    prefixes: usize,
    distinct_prefixes: usize,
}

fn counts(sets: &[EndpointSet]) -> Counts {
    let names: Vec<_> = sets.iter().flat_map(|set| &set.urls).collect();
    let prefixes: Vec<_> = sets.iter().flat_map(|set| &set.ips).collect();
    let rules: Vec<_> = sets.iter().flat_map(rules).collect();
    Counts {
        sets: sets.len(),
        names: names.len(),
        distinct_names: distinct(&names),
        rules: rules.len(),
        distinct_rules: distinct(&rules),
        prefixes: prefixes.len(),
        distinct_prefixes: distinct(&prefixes),
    }
}

fn rules(set: &EndpointSet) -> impl Iterator<Item = (String, &'static str, u16)> {
    let tcp = set.tcp_ports.iter().map(|port| ("tcp", port));
    let udp = set.udp_ports.iter().map(|port| ("udp", port));
    let ports: Vec<_> = tcp.chain(udp).collect();
    let rules_of = move |name: String| {
        ports
            .clone()
            .into_iter()
            .map(move |(proto, port)| (name.clone(), proto, port))
    };
    set.urls.iter().map(ToString::to_string).flat_map(rules_of)
}

fn distinct<T: Ord>(items: &[T]) -> usize {
    items.iter().collect::<BTreeSet<_>>().len()
}

fn of(builtin: Builtin) -> Vec<EndpointSet> {
    sets(builtin, builtin.name()).unwrap()
}

fn section(sets: &[EndpointSet], section: &str) -> Vec<EndpointSet> {
    let is_in = |set: &&EndpointSet| set.section.as_deref() == Some(section);
    sets.iter().filter(is_in).cloned().collect()
}

#[test]
fn intune_holds_what_the_page_lists() {
    let sets = of(Builtin::Intune);
    let (rows, others): (Vec<_>, Vec<_>) = sets.into_iter().partition(|set| set.id.is_some());
    let expected = Counts {
        sets: 21,
        names: 94,
        distinct_names: 91,
        rules: 136,
        distinct_rules: 130,
        prefixes: 84,
        distinct_prefixes: 83,
    };
    assert_eq!(counts(&rows), expected);
    let ids: Vec<_> = rows.iter().map(|set| set.id.unwrap()).collect();
    assert_eq!(distinct(&ids), 20);
    let (extras, others): (Vec<_>, Vec<_>) = others.into_iter().partition(|set| set.extra);
    let found = counts(&others);
    assert_eq!(
        (found.sets, found.names, found.rules),
        (6 + 25, 24 + 25, 24 + 22)
    );
    let ports = |set: &EndpointSet| (set.tcp_ports.to_string(), set.udp_ports.to_string());
    let ports: Vec<_> = extras.iter().map(ports).collect();
    assert_eq!(ports, [("7680".to_owned(), "3544".to_owned())]);
}

#[test]
fn intune_sections_hold_what_the_page_lists() {
    // Section, rows, domains, rules, CIDRs.
    let table = [
        ("core", 6, 19, 25, 84),
        ("autopilot", 5, 20, 27, 0),
        ("remote-help", 3, 31, 31, 0),
        ("windows-push-notification", 1, 4, 4, 0),
        ("delivery-optimization", 3, 4, 8, 0),
        ("apple", 1, 12, 36, 0),
        ("android-aosp", 1, 1, 1, 0),
        ("authentication", 3, 5, 8, 0),
        ("win32-apps", 3, 18, 18, 0),
        ("macos", 3, 6, 6, 0),
        ("microsoft-store", 4, 4, 0, 0),
        ("attestation/north-america", 6, 6, 6, 0),
        ("attestation/europe", 6, 6, 6, 0),
        ("attestation/asia-pacific", 4, 4, 4, 0),
        ("defender", 1, 1, 0, 0),
        ("privilege-management", 2, 2, 2, 0),
    ];
    let all = of(Builtin::Intune);
    for (name, rows, names, rules, prefixes) in table {
        let found = counts(&section(&all, name));
        let found = (found.sets, found.names, found.rules, found.prefixes);
        assert_eq!(found, (rows, names, rules, prefixes), "{name}");
    }
}

#[test]
fn power_automate_holds_what_the_page_lists() {
    let sets = of(Builtin::PowerAutomate);
    let expected = Counts {
        sets: 51,
        names: 65,
        distinct_names: 55,
        rules: 65,
        distinct_rules: 55,
        prefixes: 0,
        distinct_prefixes: 0,
    };
    assert_eq!(counts(&sets), expected);
    let on = |port| {
        sets.iter()
            .filter(|s| s.tcp_ports.contains(port))
            .map(|s| s.urls.len())
            .sum::<usize>()
    };
    assert_eq!((on(443), on(80)), (55, 10));
}

#[test]
fn power_automate_sections_hold_what_the_page_lists() {
    // Section, rows, domains, whether nothing works without them.
    let table = [
        ("required", 25, 31, true),
        ("mobile", 3, 3, false),
        ("desktop-flows/global", 2, 3, false),
        ("desktop-flows/public", 6, 10, false),
        ("desktop-flows/us-gov", 11, 13, false),
        ("desktop-flows/china", 4, 5, false),
    ];
    let all = of(Builtin::PowerAutomate);
    for (name, rows, names, required) in table {
        let sets = section(&all, name);
        let found = counts(&sets);
        assert_eq!((found.sets, found.names), (rows, names), "{name}");
        assert!(sets.iter().all(|set| set.required == required), "{name}");
    }
}

#[test]
fn m365_holds_what_the_web_service_answered() {
    let sets = of(Builtin::M365Worldwide);
    let prefixes: BTreeSet<_> = sets
        .iter()
        .flat_map(|set| set.ips.iter().copied())
        .collect();
    let (v4, v6): (Vec<_>, Vec<_>) = prefixes.into_iter().partition(|p| p.addr().is_ipv4());
    assert_eq!((sets.len(), v4.len(), v6.len()), (63, 34, 59));
    assert_eq!(counts(&sets).distinct_names, 191);
    // Service area, sets, of these Optimize, Allow, required.
    let table = [
        ("Exchange", 5, 1, 3, 4),
        ("Skype", 7, 1, 1, 6),
        ("SharePoint", 6, 1, 0, 5),
        ("Common", 45, 0, 3, 28),
    ];
    for (area, expected, optimize, allow, required) in table {
        let of_area = |set: &&EndpointSet| set.service_area.as_deref() == Some(area);
        let found: Vec<_> = sets.iter().filter(of_area).collect();
        let count = |test: fn(&EndpointSet) -> bool| found.iter().filter(|s| test(s)).count();
        let found = (
            found.len(),
            count(|s| s.category == Category::Optimize),
            count(|s| s.category == Category::Allow),
            count(|s| s.required),
        );
        assert_eq!(found, (expected, optimize, allow, required), "{area}");
    }
}

#[test]
fn rows_have_the_keys_that_users_write() {
    let table = [
        (Builtin::Intune, "intune:163", "*.manage.microsoft.com"),
        (Builtin::Intune, "intune:172", "*.do.dsp.mp.microsoft.com"),
        (Builtin::Intune, "intune:172.2", "*.do.dsp.mp.microsoft.com"),
        (
            Builtin::PowerAutomate,
            "power-automate:required/1",
            "management.azure.com",
        ),
        (
            Builtin::PowerAutomate,
            "power-automate:mobile/1",
            "*mobile.events.data.microsoft.com",
        ),
        (
            Builtin::PowerAutomate,
            "power-automate:desktop-flows/public/2",
            "*.servicebus.windows.net",
        ),
        (Builtin::M365Worldwide, "m365:1", "outlook.cloud.microsoft"),
    ];
    for (builtin, key, first_name) in table {
        let sets = of(builtin);
        let set = sets
            .iter()
            .find(|set| set.key == key)
            .unwrap_or_else(|| panic!("no {key}"));
        assert_eq!(set.urls[0].to_string(), first_name, "{key}");
        assert_eq!(set.source, builtin.name());
    }
}

#[test]
fn hidden_comments_of_the_page_are_not_data() {
    let hidden = [
        "fd.api.orgmsg.microsoft.com",
        "devicelistenerprod.microsoft.com",
        "www.msftncsi.com",
    ];
    for set in of(Builtin::Intune) {
        let name = set
            .urls
            .iter()
            .find(|url| hidden.contains(&url.to_string().as_str()));
        assert_eq!(name, None, "{}", set.key);
    }
}

#[test]
fn every_built_in_set_is_reachable_and_every_name_is_known() {
    for builtin in Builtin::ALL {
        assert_eq!(Builtin::named(builtin.name()), Some(builtin));
        for set in of(builtin) {
            // The page names no port for these two.
            let section = set.section.as_deref().unwrap_or_default();
            let portless = ["microsoft-store", "defender"].contains(&section);
            assert_eq!(set.is_portless(), portless, "{}", set.key);
            assert!(!set.urls.is_empty() || !set.ips.is_empty(), "{}", set.key);
            assert!(!set.description.is_empty(), "{}", set.key);
        }
    }
    assert_eq!(Builtin::named("corp"), None);
}

#[test]
fn a_key_that_our_toml_does_not_know_is_refused() {
    let good = "[[set]]\nsection = \"a\"\nurls = [\"a.b\"]\n";
    assert_eq!(toml_page(good, "x").unwrap().sets.len(), 1);
    for bad in [
        "tcpPort = \"443\"\n",
        "tcp_ports = \"443\"\n",
        "note = \"\"\n",
    ] {
        let error = toml_page(&format!("{good}{bad}"), "x").unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("source `x` is not a TOML list of endpoint sets"),
            "{error}"
        );
        assert!(error.contains("unknown field"), "{error}");
    }
}

#[test]
fn the_data_is_small() {
    let bytes: usize = Builtin::ALL
        .iter()
        .map(|builtin| builtin.data().len())
        .sum();
    assert!(bytes < 300 << 10, "{bytes}");
}
