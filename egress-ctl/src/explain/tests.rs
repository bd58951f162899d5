mod query;

use std::collections::HashMap;

use egress_common::{
    flow::Addr,
    learned::{Learned, LearnedKey, Slot},
};
use jiff::civil::Date;

use super::{
    answer::{Answer, about},
    ground::{Ground, Subject},
    question::{Question, Target},
};
use crate::{
    config::Config,
    feed::standing::Feeds,
    policy::{
        compile::{Circumstances, compile},
        ids::Ids,
        tables::HostTables,
    },
};

const CONFIG: &str = r#"
[gateway]
mode = "enforce"
lan = ["lan", "wlan"]
internal = ["172.16.0.0/12"]
[source.corp]
kind = "custom"
[[source.corp.set]]
id = 1
ips = ["192.0.2.0/24"]
urls = ["*.example.org"]
tcpPorts = "80,443"
[[source.corp.set]]
id = 2
ips = ["192.0.2.128/25"]
tcpPorts = "25"
[group.a]
clients = ["10.1.0.0/16"]
allow = ["corp:1"]
[[group.a.rule]]
name = "no-seven"
action = "deny"
to = ["192.0.2.7"]
until = "2026-12-31"
[[group.a.rule]]
action = "allow"
to = ["198.51.100.1"]
protocol = "udp"
ports = "5000-5010"
until = "2026-11-01"
[group.b]
clients = ["10.2.0.0/16"]
allow = ["corp"]
mode = "audit"
default = "reject"
[group.kiosk]
macs = ["02:00:00:00:00:07"]
vlans = [30]
interfaces = ["wlan"]
allow = ["corp:1"]
"#;

/// Index of `lan`; `wlan` is the next.
const LAN: u32 = 4;
const NOW_MS: u64 = 1_000_000;

/// A question of `client destination [interface] [vlan] [mac]`, and the answer as text.
fn asked(question: &str) -> String {
    answer(CONFIG, question, None)
}

/// Likewise by another config, of a packet that may hold a query.
fn answer(text: &str, question: &str, query: Option<&str>) -> String {
    let words: Vec<_> = question.split(' ').collect();
    let word = |at: usize| words.get(at).copied();
    let question = Question {
        client: words[0].parse().unwrap(),
        destination: words[1].parse().unwrap(),
        query: query.map(|query| query.parse().unwrap()),
        interface: LAN + u32::from(word(2) == Some("wlan")),
        vlan: word(3).map_or(0, |vlan| vlan.parse().unwrap()),
        mac: word(4).map_or([0; 6], |mac| crate::config::group::mac(mac).unwrap()),
    };
    let config = Config::parse(text).unwrap();
    let circumstances = Circumstances {
        own: &["10.1.255.1".parse().unwrap()],
        today: Date::constant(2026, 11, 22),
    };
    let mut ids = Ids::default();
    let generation = compile(&config, circumstances, &mut ids).unwrap();
    let mut tables = HostTables::new(&generation);
    tables.now_ms = NOW_MS;
    tables.interfaces = HashMap::from([(LAN, "lan".to_owned()), (LAN + 1, "wlan".to_owned())]);
    let pattern = generation.pattern_of("a.example.org").unwrap().id;
    for (addr, expires_ms) in [
        ("203.0.113.1", NOW_MS + 90_000),
        ("203.0.113.2", NOW_MS - 12_000),
    ] {
        let addr: std::net::IpAddr = addr.parse().unwrap();
        let slot = Slot {
            pattern,
            expires_ms,
        };
        let learned = Learned::first(slot, NOW_MS);
        let key = LearnedKey::for_all(Addr::from(addr));
        tables.learned.insert(key, learned);
    }
    let refused: std::net::IpAddr = "203.0.113.3".parse().unwrap();
    tables.refused.insert(refused.into(), NOW_MS + 5000);
    let ground = Ground {
        text,
        config: &config,
        feeds: &Feeds::Base,
        circumstances,
        ids: &ids,
        tables,
    };
    let subject = match &question.destination.target {
        Target::Address(addr) => Subject::Address(*addr),
        Target::Name(name) => Subject::Name(name.clone()),
    };
    let about = about(&ground, &question, &subject, None).unwrap();
    Answer::new(&ground, &question, None, vec![about], 0).to_string()
}

#[test]
fn answers_say_what_decided_what_came_near_and_what_to_change() {
    let table: &[(&str, &[&str])] = &[
        (
            "10.1.0.1 192.0.2.9:443",
            &[
                "10.1.0.1 to 192.0.2.9 tcp/443, by the config file\n",
                "group       a, by 10.1.0.0/16; mode enforce, default drop\n",
                "verdict     passes (prefix, corp:1): a prefix allows it\n",
                "rules       corp:1 through 192.0.2.0/24: allows it\n",
            ],
        ),
        (
            "10.1.0.1 192.0.2.200:25",
            &[
                "dropped (wrong-port)",
                "corp:1 through 192.0.2.0/24: tcp 80,443 is allowed, tcp/25 was asked",
                "corp:2 through 192.0.2.128/25: tcp 25 is allowed for b, not for a",
                "to allow it let group a select corp:2, which holds 1 prefix and 0 patterns",
                "allow = [\"corp:1\", \"corp:2\"]",
                "or          give group a a rule of its own",
            ],
        ),
        (
            "10.1.0.1 192.0.2.7",
            &[
                "dropped (denied, a:no-seven): a rule denies it",
                "a:no-seven through 192.0.2.7/32: denies it until 2026-12-31",
                "corp:1 through 192.0.2.0/24: allows it as well",
                "take the rule a:no-seven out, which denies it",
                "- name = \"no-seven\"",
            ],
        ),
        (
            "10.1.0.1 198.51.100.1:5001/udp",
            &[
                "dropped (never-resolved)",
                "a:rule-2 through 198.51.100.1/32: ended on 2026-11-01",
                "protocol = \"udp\"\n",
                "ports = \"5001\"\n",
            ],
        ),
        (
            "10.1.0.1 9.9.9.9:853",
            &[
                "dropped (encrypted-dns)",
                "to pass     the client asks a resolver of gateway.resolvers at port 53",
                "not even where a rule lets it out\n",
            ],
        ),
        (
            "10.1.0.1 198.51.100.8:443",
            &[
                "dropped (never-resolved)",
                "to pass     the client asks a resolver of gateway.resolvers for its name",
            ],
        ),
        (
            "10.1.0.1 198.51.100.9/icmp",
            &[
                "icmp type 8 code 0",
                "none covers this destination",
                "protocol = \"icmp\"\n",
            ],
        ),
        (
            "10.1.0.1 198.51.100.9/47",
            &["protocol 47", "protocol = 47\n"],
        ),
        (
            "10.2.0.1 192.0.2.9:22",
            &[
                "mode audit, default reject",
                "would be dropped (wrong-port)",
                "in mode enforce: reject",
            ],
        ),
        (
            "10.1.0.1 203.0.113.1",
            &[
                "passes (learned, corp:1)",
                "answer      for *.example.org, 90 s left",
            ],
        ),
        (
            "10.1.0.1 203.0.113.2",
            &[
                "dropped (expired)",
                "for *.example.org, expired 12 s ago",
                "corp:1 through *.example.org: would allow it, but its answer expired 12 s ago",
                "the client asks its resolver again",
            ],
        ),
        (
            "10.1.0.1 203.0.113.3",
            &[
                "dropped (name-not-allowed)",
                "for a name that is not listed, 5 s left",
            ],
        ),
        (
            "10.1.0.1 www.example.org:8443",
            &[
                "at an address that an answer gives",
                "dropped (wrong-port)",
                "to = [\"www.example.org\"]",
            ],
        ),
        (
            "10.1.0.1 www.example.net",
            &[
                "dropped (name-not-allowed)",
                "none covers this destination",
                "to = [\"www.example.net\"]",
            ],
        ),
        (
            "10.9.0.1 192.0.2.9",
            &[
                "group       none takes this client; mode enforce",
                "kiosk wants a listed MAC and one of its VLANs and one of its interfaces",
                "dropped (no-group)",
                "take 10.9.0.1 into group a",
                "clients = [\"10.1.0.0/16\", \"10.9.0.1\"]",
            ],
        ),
        (
            "10.9.0.1 192.0.2.9 wlan 30 02:00:00:00:00:07",
            &[
                "kiosk, by MAC 02:00:00:00:00:07 and VLAN 30 and interface wlan",
                "passes (prefix, corp:1)",
            ],
        ),
        (
            "10.9.0.1 172.16.0.1",
            &["passes (internal): its destination is internal"],
        ),
        (
            "fd00::1 [2001:db8::1]:443",
            &[
                "dropped (no-group)",
                "to allow it no small change of the config would do",
            ],
        ),
    ];
    for (question, parts) in table {
        let answer = asked(question);
        for part in *parts {
            assert!(
                answer.contains(part),
                "{question}: no `{part}` in\n{answer}"
            );
        }
    }
}

#[test]
fn no_rule_is_proposed_for_dns_whose_answers_would_admit_nothing() {
    for question in ["10.1.0.1 9.9.9.9:853", "10.1.0.1 9.9.9.9:853/udp"] {
        let answer = asked(question);
        assert!(answer.contains("dropped (encrypted-dns)"), "{answer}");
        assert!(!answer.contains("to allow it"), "{answer}");
    }
}

#[test]
fn what_passes_needs_no_change() {
    for question in [
        "10.1.0.1 192.0.2.9",
        "10.1.0.1 203.0.113.1",
        "10.1.0.1 172.16.0.1",
    ] {
        let answer = asked(question);
        assert!(!answer.contains("to allow it"), "{answer}");
    }
}
