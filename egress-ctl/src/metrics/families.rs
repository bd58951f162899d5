//! What was seen, by names and units that monitoring knows.

use egress_common::verdict::Counter;
use jiff::Timestamp;

use super::{
    facts::{Facts, Feed, Process, Trial},
    family::{
        Family,
        Kind::{Counter as Total, Gauge, Info},
        Labels,
        Unit::{Bytes, Seconds},
    },
};

/// In place of a group's name, as in `status`.
const NO_GROUP: &str = "(none)";
/// Modes of a gateway.
const MODES: [&str; 3] = ["audit", "enforce", "off"];

/// All families, of which some may have no samples.
pub fn families(facts: &Facts) -> Vec<Family> {
    [
        about(facts),
        policy(facts),
        interfaces(facts),
        packets(facts),
        replies(facts),
        sets(facts),
        dns(facts),
        dns_tcp(facts),
        learned(facts),
        feeds(&facts.feeds),
        levers(facts),
        daemon(facts.daemon.as_ref()),
    ]
    .concat()
}

fn about(facts: &Facts) -> Vec<Family> {
    let modes = MODES.map(|mode| (label("mode", mode), facts.summary.mode == mode));
    vec![
        Family::new("egress_build", Info, "Version of egress that tells this.")
            .with(label("version", env!("CARGO_PKG_VERSION")), 1_u64),
        Family::new("egress_mode", Gauge, "1 for the mode of the gateway.").with_all(modes),
        one(
            Family::new(
                "egress_generation",
                Gauge,
                "Number of the generation in force.",
            ),
            facts.generation,
        ),
        one(
            Family::new(
                "egress_generation_loaded_timestamp_seconds",
                Gauge,
                "When the generation in force was compiled, in seconds since 1970.",
            )
            .in_unit(Seconds),
            seconds(facts.loaded),
        ),
    ]
}

fn policy(facts: &Facts) -> Vec<Family> {
    let summary = &facts.summary;
    let parts = [
        ("groups", summary.groups),
        ("clients", summary.clients),
        ("sets", summary.sets),
        ("prefixes", summary.prefixes),
        ("patterns", summary.patterns),
        ("rulesets", summary.rulesets),
    ];
    vec![
        Family::new(
            "egress_policy_entries",
            Gauge,
            "What the generation in force holds, by part.",
        )
        .with_all(parts.map(|(part, count)| (label("part", part), count))),
        one(
            Family::new(
                "egress_policy_warnings",
                Gauge,
                "What the config in force hardly means, as `config check` lists it.",
            ),
            summary.warnings.len(),
        ),
    ]
}

fn interfaces(facts: &Facts) -> Vec<Family> {
    let samples = facts.interfaces.iter().flat_map(|one| {
        let roles = [("judge", one.judges), ("learn", one.learns)];
        roles.map(|(role, is_there)| {
            let labels = labels([("interface", one.name.as_str()), ("role", role)]);
            (labels, is_there)
        })
    });
    vec![
        Family::new(
            "egress_interface_attached",
            Gauge,
            "1 where a program is attached to an interface of `lan`, by what it does there.",
        )
        .with_all(samples),
    ]
}

fn packets(facts: &Facts) -> Vec<Family> {
    let samples = || {
        facts.verdicts.iter().map(|(group, counted)| {
            let labels = labels([
                ("group", named(group)),
                ("action", counted.action.name()),
                ("reason", counted.reason.name()),
            ]);
            (labels, counted.counter)
        })
    };
    both(
        [
            "egress_client_packets",
            "Packets that clients sent, by what was done with them and why.",
        ],
        [
            "egress_client_bytes",
            "Bytes of packets that clients sent, by what was done with them and why.",
        ],
        samples,
    )
}

fn replies(facts: &Facts) -> Vec<Family> {
    let samples = || {
        facts.replies.iter().map(|(group, reason, counter)| {
            let labels = labels([("group", named(group)), ("reason", reason.name())]);
            (labels, *counter)
        })
    };
    both(
        [
            "egress_reply_packets",
            "Packets to clients, by the reason that holds for what they answer.",
        ],
        [
            "egress_reply_bytes",
            "Bytes of packets to clients, by the reason that holds for what they answer.",
        ],
        samples,
    )
}

fn sets(facts: &Facts) -> Vec<Family> {
    let sent = || {
        let sets = facts.sets.iter();
        sets.map(|(set, of)| (label("set", set), of.sent))
    };
    let replies = || {
        let sets = facts.sets.iter();
        sets.map(|(set, of)| (label("set", set), of.replies))
    };
    let sent = both(
        [
            "egress_set_packets",
            "Packets that clients sent to an endpoint set.",
        ],
        [
            "egress_set_bytes",
            "Bytes of packets that clients sent to an endpoint set.",
        ],
        sent,
    );
    let replies = both(
        [
            "egress_set_reply_packets",
            "Packets that came back from an endpoint set.",
        ],
        [
            "egress_set_reply_bytes",
            "Bytes of packets that came back from an endpoint set.",
        ],
        replies,
    );
    [sent, replies].concat()
}

fn dns(facts: &Facts) -> Vec<Family> {
    let by = |name, of: &[(&'static str, u64)]| -> Vec<(Labels, u64)> {
        let of = of.iter();
        of.map(|(value, count)| (label(name, value), *count))
            .collect()
    };
    vec![
        Family::new(
            "egress_dns_messages",
            Total,
            "DNS messages, by what they taught or why not; one may count under several outcomes.",
        )
        .with_all(by("outcome", &facts.dns)),
        Family::new(
            "egress_dns_names",
            Total,
            "DNS answers whose names were told to the daemon, or lost on the way; addresses never are.",
        )
        .with_all(by("fate", &facts.lessons)),
        Family::new(
            "egress_events",
            Total,
            "Packets for `egress-ctl watch`: reported, suppressed by its limits, or lost.",
        )
        .with_all(by("fate", &facts.events)),
    ]
}

fn dns_tcp(facts: &Facts) -> Vec<Family> {
    let told = &facts.dns_tcp;
    let count = told.count;
    let ended = [
        ("refused", count.refused),
        ("idle", count.idle),
        ("unreached", count.unreached),
    ];
    let messages = [
        ("query", count.queries),
        ("answer", count.answers),
        ("taught", count.taught),
        ("unasked", count.unasked),
        ("unreadable", count.unreadable),
    ];
    vec![
        one(
            Family::new(
                "egress_dns_tcp_active",
                Gauge,
                "1 while DNS over TCP goes through the proxy.",
            ),
            told.active,
        ),
        one(
            Family::new(
                "egress_dns_tcp_open_connections",
                Gauge,
                "Connections of clients that the proxy for DNS over TCP has.",
            ),
            count.open,
        ),
        one(
            Family::new(
                "egress_dns_tcp_connections",
                Total,
                "Connections that clients began to the proxy for DNS over TCP.",
            ),
            count.connections,
        ),
        Family::new(
            "egress_dns_tcp_ended_connections",
            Total,
            "Connections that the proxy for DNS over TCP ended, by why.",
        )
        .with_all(ended.map(|(why, count)| (label("why", why), count))),
        Family::new(
            "egress_dns_tcp_messages",
            Total,
            "Messages through the proxy for DNS over TCP; taught ones are answers as well.",
        )
        .with_all(messages.map(|(kind, count)| (label("kind", kind), count))),
    ]
}

fn learned(facts: &Facts) -> Vec<Family> {
    let (learned, connections) = (facts.learned, facts.connections);
    let table = [
        (
            "egress_learned_addresses",
            "Addresses that DNS answers taught.",
            learned.used,
        ),
        (
            "egress_learned_addresses_limit",
            "How many addresses there is room for; beyond that the least used leave.",
            learned.limit,
        ),
        (
            "egress_learned_connections",
            "Connections to learned addresses that are remembered.",
            connections.used,
        ),
        (
            "egress_learned_connections_limit",
            "How many connections there is room for.",
            connections.limit,
        ),
    ];
    let family = |(name, help, count)| one(Family::new(name, Gauge, help), count);
    table.map(family).to_vec()
}

fn feeds(feeds: &[Feed]) -> Vec<Family> {
    let by_source = |feed: &Feed| label("source", &feed.source);
    let times = |name, help, time: fn(&Feed) -> Option<Timestamp>| {
        let samples = feeds
            .iter()
            .filter_map(|feed| Some((by_source(feed), seconds(time(feed)?))));
        Family::new(name, Gauge, help)
            .in_unit(Seconds)
            .with_all(samples)
    };
    let counts = |name, help, count: fn(&Feed) -> u64| {
        let samples = feeds.iter().map(|feed| (by_source(feed), count(feed)));
        Family::new(name, Gauge, help).with_all(samples)
    };
    let info = feeds.iter().map(|feed| {
        let version = feed.version.as_deref().unwrap_or("built-in");
        let labels = labels([
            ("source", feed.source.as_str()),
            ("instance", &feed.instance),
            ("version", version),
        ]);
        (labels, 1_u64)
    });
    vec![
        Family::new(
            "egress_feed",
            Info,
            "What is approved of a source that follows the web service.",
        )
        .with_all(info),
        times(
            "egress_feed_last_poll_timestamp_seconds",
            "When the service was asked last, in seconds since 1970.",
            |feed| feed.polled,
        ),
        times(
            "egress_feed_last_success_timestamp_seconds",
            "When the service answered last, in seconds since 1970; 0 where it never did.",
            |feed| Some(feed.answered.unwrap_or(Timestamp::UNIX_EPOCH)),
        ),
        counts(
            "egress_feed_failures",
            "Polls in a row that failed.",
            |feed| feed.failures.into(),
        ),
        counts(
            "egress_feed_waiting",
            "1 where a change waits for a person.",
            |feed| feed.waits.into(),
        ),
        counts(
            "egress_feed_refused",
            "1 where the last answer was refused, and the edition before holds.",
            |feed| feed.refused.into(),
        ),
        counts(
            "egress_feed_quarantined",
            "Parts of endpoint sets that are no longer published and still pass.",
            |feed| u64::try_from(feed.quarantined).unwrap_or(u64::MAX),
        ),
    ]
}

fn levers(facts: &Facts) -> Vec<Family> {
    let left = facts.bypass.and_then(|bypass| bypass.left);
    let ends = match facts.trial {
        Trial::On { ends } => Some(seconds(ends)),
        Trial::None | Trial::FellBack => None,
    };
    vec![
        one(
            Family::new(
                "egress_bypass",
                Gauge,
                "1 while the emergency lever is pulled and nothing is dropped.",
            ),
            facts.bypass.is_some(),
        ),
        Family::new(
            "egress_bypass_remaining_seconds",
            Gauge,
            "Time until the bypass ends by itself.",
        )
        .in_unit(Seconds)
        .with_all(left.map(|left| (Labels::new(), left.as_secs_f64()))),
        one(
            Family::new(
                "egress_trial",
                Gauge,
                "1 while a config is on trial and waits to be confirmed.",
            ),
            ends.is_some(),
        ),
        Family::new(
            "egress_trial_deadline_timestamp_seconds",
            Gauge,
            "When the trial ends unless it is confirmed, in seconds since 1970.",
        )
        .in_unit(Seconds)
        .with_all(ends.map(|ends| (Labels::new(), ends))),
        one(
            Family::new(
                "egress_trial_fell_back",
                Gauge,
                "1 where nobody confirmed the last trial, and the config before holds.",
            ),
            facts.trial == Trial::FellBack,
        ),
    ]
}

/// The daemon, by the names that all programs use.
fn daemon(process: Option<&Process>) -> Vec<Family> {
    let cpu = process.map(|process| (Labels::new(), process.cpu));
    let started = process.map(|process| (Labels::new(), process.started));
    let resident = process.map(|process| (Labels::new(), process.resident));
    let address_space = process.map(|process| (Labels::new(), process.virtual_memory));
    vec![
        one(
            Family::new(
                "egress_daemon_running",
                Gauge,
                "1 while a daemon runs; what is attached enforces without one.",
            ),
            process.is_some(),
        ),
        Family::new("process_cpu_seconds", Total, "CPU time of the daemon.")
            .in_unit(Seconds)
            .with_all(cpu),
        Family::new(
            "process_resident_memory_bytes",
            Gauge,
            "Memory that the daemon has in RAM.",
        )
        .in_unit(Bytes)
        .with_all(resident),
        Family::new(
            "process_virtual_memory_bytes",
            Gauge,
            "Address space of the daemon.",
        )
        .in_unit(Bytes)
        .with_all(address_space),
        Family::new(
            "process_start_time_seconds",
            Gauge,
            "When the daemon started, in seconds since 1970.",
        )
        .in_unit(Seconds)
        .with_all(started),
    ]
}

/// Packets and bytes of the same samples; each has its name and what it tells.
fn both<I: Iterator<Item = (Labels, Counter)>>(
    packets: [&'static str; 2],
    bytes: [&'static str; 2],
    samples: impl Fn() -> I,
) -> Vec<Family> {
    let family = |[name, help]: [&'static str; 2]| Family::new(name, Total, help);
    vec![
        family(packets).with_all(samples().map(|(labels, of)| (labels, of.packets))),
        family(bytes)
            .in_unit(Bytes)
            .with_all(samples().map(|(labels, of)| (labels, of.bytes))),
    ]
}

/// A family with one sample, without labels.
fn one(family: Family, value: impl Into<super::family::Value>) -> Family {
    family.with(Labels::new(), value)
}

fn label(name: &'static str, value: &str) -> Labels {
    labels([(name, value)])
}

fn labels<const N: usize>(all: [(&'static str, &str); N]) -> Labels {
    all.map(|(name, value)| (name, value.to_owned())).to_vec()
}

fn named(group: &Option<String>) -> &str {
    group.as_deref().unwrap_or(NO_GROUP)
}

fn seconds(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}

#[cfg(test)]
mod tests;
