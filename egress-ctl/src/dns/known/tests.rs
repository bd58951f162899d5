//! What is told of a learned address.

use egress_common::learned::{Learned, LearnedKey};
use jiff::civil::Date;

use super::*;
use crate::{
    config::Config,
    dns::{heard::Heard, names::Lesson},
    policy::compile::{Circumstances, compile},
};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
urls = ["*.x.y"]
tcpPorts = "443"
[[source.corp.set]]
id = 2
urls = ["a.x.y"]
tcpPorts = "8443"
[group.a]
clients = ["10.0.0.0/8"]
allow = ["corp"]
[group.b]
clients = ["172.16.0.0/12"]
allow = ["corp:2"]
[group.c]
clients = ["192.168.0.0/16"]
"#;

#[test]
fn an_address_is_told_with_all_that_its_patterns_say() {
    let mut ids = Ids::default();
    let circumstances = Circumstances {
        own: &[],
        today: Date::constant(2026, 11, 22),
    };
    let generation = compile(&Config::parse(CONFIG).unwrap(), circumstances, &mut ids).unwrap();
    let wall: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    let clocks = Clocks {
        wall,
        boot_ms: 100_000,
    };
    let patterns = ids.patterns();
    let reader = Reader::new(&patterns, clocks).with_policy(&generation, &ids);
    let slot = |pattern: &str, expires_ms| Slot {
        pattern: ids.pattern_id(pattern).unwrap(),
        expires_ms,
    };
    let mut learned = Learned::first(slot("*.x.y", 98_900), 40_000);
    learned.slots[3] = slot("a.x.y", 160_500).to_word();
    learned.slots[4] = Slot {
        pattern: 77,
        expires_ms: 5,
    }
    .to_word();
    learned.hits = 9;
    let address: IpAddr = "203.0.113.1".parse().unwrap();

    let mut names = Names::default();
    for (name, pattern) in [("a.x.y", Some("a.x.y")), ("www.example.net", None)] {
        let heard = Heard {
            at_ms: 0,
            client: "10.0.0.1".parse().unwrap(),
            pattern: 0,
            refused: 0,
            name: name.to_owned(),
            chain: Vec::new(),
            addresses: vec![(address, 60)],
        };
        let lesson = Lesson {
            heard: &heard,
            pattern,
            at: wall,
        };
        names.learn(lesson, |_| false);
    }
    let known = reader.known(
        &Entry {
            key: LearnedKey::for_all(address.into()),
            learned,
        },
        &names,
    );

    let told = known.teachings.iter().map(|one| {
        let (groups, sets) = (one.groups.join(" "), one.sets.join(" "));
        (one.pattern.as_str(), groups, sets, one.seconds_left)
    });
    let told: Vec<_> = told.collect();
    let text = str::to_owned;
    let expected = [
        ("a.x.y", text("a b"), text("corp:1 corp:2"), 60),
        ("*.x.y", text("a"), text("corp:1"), -2),
        ("pattern 77", String::new(), String::new(), -100),
    ];
    assert_eq!(told, expected);
    assert_eq!(known.seconds_left(), 60);
    assert_eq!(
        known.names.len(),
        1,
        "a name that is not listed taught nothing"
    );
    assert_eq!((known.hits, known.first_seen), (9, clocks.at(40_000)));
    for (text, is_of) in [
        ("A.x.y", true),
        ("a.x.y.", true),
        ("*.x.y", true),
        ("b.x.y", false),
        ("www.example.net", false),
    ] {
        assert_eq!(known.is_of(text), is_of, "{text}");
    }
}
