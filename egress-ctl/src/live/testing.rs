//! What tests see.

use std::time::Duration;

use egress_common::{
    flow::proto,
    verdict::{Action, Counter, Reason},
};
use jiff::Timestamp;

use super::sight::Sight;
use crate::{
    dataplane::counters::Counted,
    history::record::{EVENT, Record},
    metrics::facts::{Facts, Feed, Fill, Interface, Process, Trial},
    proxy::Told,
    state::Summary,
};

/// A gateway that has counted nothing, so many seconds after its start.
pub(crate) fn sight(second: u64) -> Sight {
    let start: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
    Sight {
        at: Duration::from_secs(second),
        time: start + Duration::from_secs(second),
        facts: facts(start),
        traffic: None,
        connections: None,
        names: None,
    }
}

/// What was counted of a group, by what was done and why.
pub(crate) fn verdict(
    group: Option<&str>,
    action: Action,
    reason: Reason,
    counter: Counter,
) -> (Option<String>, Counted) {
    let counted = Counted {
        action,
        reason,
        counter,
    };
    (group.map(str::to_owned), counted)
}

fn facts(start: Timestamp) -> Facts {
    Facts {
        generation: 7,
        loaded: start,
        summary: Summary {
            mode: "enforce".to_owned(),
            lan: vec!["eth1".to_owned()],
            ..Summary::default()
        },
        interfaces: vec![Interface {
            name: "eth1".to_owned(),
            judges: true,
            learns: true,
        }],
        verdicts: Vec::new(),
        replies: Vec::new(),
        sets: Vec::new(),
        dns: Vec::new(),
        lessons: Vec::new(),
        events: Vec::new(),
        learned: Fill {
            used: 14,
            limit: 65_536,
        },
        connections: Fill {
            used: 3,
            limit: 131_072,
        },
        dns_tcp: Told::default(),
        feeds: vec![Feed {
            source: "m365".to_owned(),
            instance: "Worldwide".to_owned(),
            version: Some("2026053100".to_owned()),
            polled: Some(start),
            answered: Some(start),
            failures: 0,
            waits: false,
            refused: false,
            quarantined: 0,
        }],
        bypass: None,
        trial: Trial::None,
        daemon: Some(Process {
            cpu: 1.5,
            resident: 20 << 20,
            virtual_memory: 200 << 20,
            started: 1_795_334_400.0,
        }),
    }
}

/// A segment to port 443 of somebody in `staging` that was dropped, because nobody looked the address up.
pub(crate) fn record() -> Record {
    Record {
        schema: EVENT.to_owned(),
        number: None,
        time: sight(0).time,
        boot_ns: 0,
        interface: "eth1".to_owned(),
        vlan: 0,
        mac: "02:00:00:00:00:01".to_owned(),
        client: None,
        group: Some("staging".to_owned()),
        destination: None,
        names: Vec::new(),
        name_not_listed: false,
        name: None,
        chain: Vec::new(),
        protocol: Some("tcp".to_owned()),
        protocol_number: Some(proto::TCP),
        source_port: 40_000,
        port: 443,
        action: Action::Drop.name().to_owned(),
        reason: Reason::NeverResolved.name().to_owned(),
        set: None,
        generation: 7,
        bytes: 74,
        later_fragment: false,
        opens: true,
        suppressed: 0,
    }
}
