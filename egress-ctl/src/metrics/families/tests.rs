//! Names by convention, and what samples say.

use std::{collections::BTreeSet, time::Duration};

use egress_common::verdict::{Action, Reason};

use super::*;
use crate::{
    dataplane::counters::{Counted, OfSet},
    metrics::{
        Format,
        facts::{Bypass, Fill, Interface},
    },
    proxy::Told,
    state::Summary,
};

fn facts() -> Facts {
    let counter = Counter {
        packets: 3,
        bytes: 180,
    };
    let counted = |action, reason| Counted {
        action,
        reason,
        counter,
    };
    Facts {
        generation: 7,
        loaded: "2026-11-22T08:00:00.5Z".parse().unwrap(),
        summary: Summary {
            mode: "enforce".to_owned(),
            prefixes: 136,
            ..Summary::default()
        },
        interfaces: vec![Interface {
            name: "eth1".to_owned(),
            judges: true,
            learns: false,
        }],
        verdicts: vec![
            (
                Some("a\"b".to_owned()),
                counted(Action::Allow, Reason::Prefix),
            ),
            (None, counted(Action::Drop, Reason::NoGroup)),
            // A group that is called like what has none.
            (
                Some("(none)".to_owned()),
                counted(Action::Drop, Reason::NoGroup),
            ),
        ],
        replies: vec![(Some("office".to_owned()), Reason::Prefix, counter)],
        sets: vec![(
            "intune:163".to_owned(),
            OfSet {
                sent: counter,
                replies: counter,
            },
        )],
        dns: vec![("learned", 2)],
        lessons: vec![("lost", 0)],
        events: vec![("suppressed", 4)],
        learned: Fill {
            used: 14,
            limit: 65_536,
        },
        connections: Fill {
            used: 0,
            limit: 131_072,
        },
        dns_tcp: Told::default(),
        feeds: vec![Feed {
            source: "m365".to_owned(),
            instance: "Worldwide".to_owned(),
            version: None,
            polled: None,
            answered: None,
            failures: 2,
            waits: true,
            refused: false,
            quarantined: 1,
        }],
        bypass: Some(Bypass {
            left: Some(Duration::from_millis(1_500)),
        }),
        trial: Trial::On {
            ends: "2026-11-22T08:05:00Z".parse().unwrap(),
        },
        daemon: Some(Process {
            cpu: 1.25,
            resident: 4096,
            virtual_memory: 8192,
            started: 1e9,
        }),
    }
}

#[test]
fn samples_say_what_was_seen() {
    let text = Format::Prometheus.text(&families(&facts()));
    for line in [
        "egress_mode{mode=\"audit\"} 0",
        "egress_mode{mode=\"enforce\"} 1",
        "egress_generation 7",
        "egress_generation_loaded_timestamp_seconds 1795334400.5",
        "egress_interface_attached{interface=\"eth1\",role=\"judge\"} 1",
        "egress_interface_attached{interface=\"eth1\",role=\"learn\"} 0",
        "egress_policy_entries{part=\"prefixes\"} 136",
        "egress_client_packets_total{group=\"a\\\"b\",action=\"allow\",reason=\"prefix\"} 3",
        "egress_client_bytes_total{group=\"(none)\",action=\"drop\",reason=\"no-group\"} 360",
        "egress_reply_bytes_total{group=\"office\",reason=\"prefix\"} 180",
        "egress_set_packets_total{set=\"intune:163\"} 3",
        "egress_dns_messages_total{outcome=\"learned\"} 2",
        "egress_events_total{fate=\"suppressed\"} 4",
        "egress_learned_addresses_limit 65536",
        "egress_feed_info{source=\"m365\",instance=\"Worldwide\",version=\"built-in\"} 1",
        "egress_feed_last_success_timestamp_seconds{source=\"m365\"} 0",
        "egress_feed_quarantined{source=\"m365\"} 1",
        "egress_bypass 1",
        "egress_bypass_remaining_seconds 1.5",
        "egress_trial_deadline_timestamp_seconds 1795334700",
        "egress_daemon_running 1",
        "process_cpu_seconds_total 1.25",
    ] {
        assert!(
            text.lines().any(|told| told == line),
            "no {line} in\n{text}"
        );
    }
    assert!(!text.contains("egress_feed_last_poll_timestamp_seconds"));
}

#[test]
fn names_end_with_their_unit_and_come_once() {
    let mut seen = BTreeSet::new();
    for family in families(&facts()) {
        let name = family.name;
        assert!(seen.insert(name), "{name} twice");
        let is_plain = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        assert!(is_plain, "{name}");
        for unit in [Bytes, Seconds] {
            let is_named = name.ends_with(&format!("_{}", unit.name()));
            assert_eq!(is_named, family.unit == Some(unit), "{name}");
        }
        for suffix in ["_total", "_info", "_count", "_sum", "_bucket", "_created"] {
            assert!(!name.ends_with(suffix), "{name}: {suffix} is for the kind");
        }
        assert!(family.help.ends_with('.'), "{name}");
        if family.kind == Info {
            assert!(family.unit.is_none(), "{name}");
        }
    }
}
