//! `drill explain`: random questions on random policies. Each is explained, then the very packet is given to
//! the program at LAN ingress: rule, set, generation and reason must be the same.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use egress_common::dns::policy::DnsPolicy;
use egress_common::event::Event;
use egress_common::flow::Addr;
use egress_common::parse::parse;
use egress_common::verdict::{Action, NO_SET, Reason, Verdict};
use egress_ctl::config::{Config, Group};
use egress_ctl::dataplane::{boot_ms, counters, events::Watch};
use egress_ctl::explain::answer::{About, about};
use egress_ctl::explain::frame::frame;
use egress_ctl::explain::ground::{Ground, Subject};
use egress_ctl::explain::query::Query;
use egress_ctl::explain::question::{Destination, Protocol, Question, Target};
use egress_ctl::feed::standing::Feeds;
use egress_ctl::policy::compile::Circumstances;
use egress_ctl::policy::tables::HostTables;
use ipnet::IpNet;
use lab::interrupt;
use lab::kernel::{INTERFACE, INTERFACE_INDEX, Kernel, TODAY, inside};
use lab::random::{self, MACS, NAMES, one, seeded};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde::Serialize;

use super::Report;
use super::timing::Timing;

/// Questions about one policy.
const A_POLICY: usize = 50;
/// How long the kernel goes on making events unless it is told more.
const BEAT: Duration = Duration::from_secs(1);
/// Differences that are shown.
const SHOWN: usize = 10;

#[derive(Args)]
pub(crate) struct Options {
    /// How many questions
    #[arg(long, default_value_t = 1000)]
    questions: usize,
    /// What the random numbers begin with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// One JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Default, Serialize)]
struct ExplainReport {
    schema: &'static str,
    drill: &'static str,
    seed: u64,
    questions: usize,
    policies: usize,
    /// Packets that did not pass, and whose event was compared as well.
    events: usize,
    /// Packets that do not pass, for which a change of the config was found that lets them pass.
    with_change: usize,
    denied: usize,
    /// Queries of which the name decided.
    names: Names,
    reasons: BTreeMap<&'static str, usize>,
    answer: Timing,
    differences: usize,
    shown: Vec<String>,
    passed: bool,
}

/// What became of queries by their names.
#[derive(Default, Serialize)]
struct Names {
    passed: usize,
    refused: usize,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let report = inside(|pin_dir| -> Result<ExplainReport> {
        let mut kernel = Kernel::load(pin_dir)?;
        let mut watch = Watch::begin(pin_dir)?;
        let mut runner = seeded(options.seed);
        let mut tally = Tally::default();
        while tally.took.len() < options.questions {
            interrupt::check()?;
            let left = options.questions - tally.took.len();
            one_policy(&mut kernel, &mut watch, &mut runner, left, &mut tally)?;
        }
        Ok(tally.report(options.seed))
    })??;
    super::print(&report, options.json)?;
    Ok(report.passed)
}

#[derive(Default)]
struct Tally {
    report: ExplainReport,
    took: Vec<Duration>,
}

impl Tally {
    fn report(self, seed: u64) -> ExplainReport {
        let Self { report, took } = self;
        ExplainReport {
            schema: "egress.drill/1",
            drill: "explain",
            seed,
            questions: took.len(),
            answer: Timing::of(took.into_iter()),
            passed: report.differences == 0,
            ..report
        }
    }

    fn differs(&mut self, what: String) {
        self.report.differences += 1;
        if self.report.shown.len() < SHOWN {
            self.report.shown.push(what);
        }
    }
}

fn one_policy(
    kernel: &mut Kernel,
    watch: &mut Watch,
    runner: &mut TestRunner,
    questions: usize,
    tally: &mut Tally,
) -> Result<()> {
    let text = one(random::policy(), runner)?;
    let config = random::config(&text);
    let own = ["203.0.112.1".parse()?, "2001:db8::1".parse()?];
    kernel.forget()?;
    let generation = kernel.put_into_force(&config, &own)?;
    for teaching in one(random::teachings(), runner)? {
        kernel.teach(teaching.addr, teaching.pattern, teaching.left_ms)?;
    }
    for refused in one(random::teachings(), runner)? {
        let until = boot_ms().saturating_add_signed(refused.left_ms);
        let mut map = kernel.pinned().refused()?;
        map.insert(&Addr::from(refused.addr), &until, 0)?;
    }
    tally.report.policies += 1;
    let ids = kernel.ids().clone();
    let places = Places::of(&config, &own);
    let mut began = Instant::now();
    for _ in 0..questions.min(A_POLICY) {
        if began.elapsed() > BEAT {
            began = Instant::now();
            watch.beat()?;
        }
        let (question, addr) = one(question(&places), runner)?;
        let mut ground = Ground {
            text: &text,
            config: &config,
            feeds: &Feeds::Base,
            circumstances: Circumstances {
                own: &own,
                today: TODAY,
            },
            ids: &ids,
            tables: HostTables {
                interfaces: HashMap::from([(INTERFACE_INDEX, INTERFACE.to_owned())]),
                ..HostTables::new(&generation)
            },
        };
        let asked = Instant::now();
        let packet = frame(&question, addr).context("two families")?;
        let connection = parse(&packet[..]).ok().map(|datagram| datagram.flow.key());
        ground.learn(kernel.pinned(), addr, Some(question.client), connection)?;
        let said = kernel.ask(&packet)?;
        let told = about(&ground, &question, &Subject::Address(addr), Some(said));
        let told = told.context("two families")?;
        tally.took.push(asked.elapsed());
        let fate = Fate::of(kernel, watch, &packet)?;
        fate.compare(&ground, &told, said, kernel.number(), tally);
    }
    watch.beat()?;
    Ok(())
}

/// What the program at LAN ingress did with a packet.
struct Fate {
    passes: bool,
    counted: (Action, Reason),
    /// Ids of the endpoint sets or rules whose counter rose.
    sets: Vec<u16>,
    event: Option<Event>,
}

impl Fate {
    fn of(kernel: &mut Kernel, watch: &mut Watch, packet: &[u8]) -> Result<Self> {
        let sets = |kernel: &Kernel| {
            let named = kernel.ids().sets().map(|(_, id)| (id, id));
            counters::sets(kernel.pinned(), named)
        };
        let before: HashMap<u16, u64> = sets(kernel)?
            .into_iter()
            .map(|(id, c)| (id, c.sent.packets))
            .collect();
        let seen = kernel.judge(packet)?;
        let risen = sets(kernel)?.into_iter();
        let risen = risen.filter(|(id, c)| before.get(id).copied().unwrap_or(0) < c.sent.packets);
        Ok(Self {
            passes: seen.passes,
            counted: seen.counted,
            sets: risen.map(|(id, _)| id).collect(),
            event: watch.next(),
        })
    }

    /// Compares with what was explained, with what was asked, and with the event.
    fn compare(
        &self,
        ground: &Ground<'_>,
        told: &About,
        said: Verdict,
        number: u64,
        tally: &mut Tally,
    ) {
        let Self {
            passes,
            counted: (action, reason),
            sets,
            event,
        } = self;
        let set = sets.first().copied().unwrap_or(NO_SET);
        let named = sets.first().and_then(|id| ground.ids.set_named(*id));
        // The number of answers to one client is limited, and some packets may not be answered at all.
        let is_unanswered = told.verdict == Action::Reject.name() && *action == Action::Drop;
        let is_same = (told.verdict == action.name() || is_unanswered)
            && told.reason == reason.name()
            && told.set.as_deref() == named
            && told.kernel.as_ref().is_some_and(|kernel| kernel.agrees)
            && (said.reason, said.set) == (*reason, set)
            && *passes == matches!(action, Action::Allow | Action::WouldDrop);
        let is_told = match event {
            Some(event) => {
                (
                    event.reason,
                    event.set,
                    event.generation,
                    event.action,
                    event.group,
                ) == (*reason as u8, set, number, *action as u8, said.group)
            }
            None => true,
        };
        let is_named = match &told.asking {
            Some(asking) if asking.decides && asking.name.is_some() => {
                let refused = *reason == Reason::DnsNameRefused;
                tally.report.names.refused += usize::from(refused);
                tally.report.names.passed += usize::from(!refused);
                asking.is_let() != refused
            }
            Some(asking) => asking.decides || *reason != Reason::DnsNameRefused,
            None => *reason != Reason::DnsNameRefused,
        };
        if !is_same || !is_told || !is_named {
            tally.differs(format!(
                "explained {} ({}, {:?}, {:?}), asked {said:?}, judged {action:?} ({reason:?}, {named:?}), event {event:?}",
                told.verdict, told.reason, told.set, told.asking
            ));
        }
        *tally.report.reasons.entry(reason.name()).or_default() += 1;
        tally.report.events += usize::from(event.is_some());
        tally.report.denied += usize::from(!reason.passes());
        tally.report.with_change += usize::from(told.has_change());
    }
}

/// Who asks whom for names.
struct Places {
    /// First addresses of strict groups' prefixes.
    strict: Vec<IpAddr>,
    /// Of each family some.
    resolvers: Vec<IpAddr>,
}

impl Places {
    fn of(config: &Config, own: &[IpAddr]) -> Self {
        let strict = |group: &&Group| group.dns == DnsPolicy::Strict;
        let groups = config.groups.iter().filter(strict);
        let clients = groups.flat_map(|group| &group.members.clients);
        Self {
            strict: clients.map(IpNet::addr).collect(),
            resolvers: [own, &config.gateway.resolvers].concat(),
        }
    }

    /// Half of them of strict groups, where there are such.
    fn client(&self) -> BoxedStrategy<IpAddr> {
        match self.strict.as_slice() {
            [] => random::address().boxed(),
            strict => prop_oneof![random::address(), select(strict.to_vec())].boxed(),
        }
    }
}

/// A packet of a random client, and where to: one in four is a DNS query to a resolver.
fn question(places: &Places) -> impl Strategy<Value = (Question, IpAddr)> + use<> {
    let asked = prop_oneof![3 => packet().boxed(), 1 => query(places).boxed()];
    (asked, select(&MACS[..]), select(vec![0, 0, 5, 6, 7])).prop_map(|(asked, mac, vlan)| {
        let (client, addr, (protocol, port), query) = asked;
        let question = Question {
            client,
            destination: Destination {
                target: Target::Address(addr),
                port,
                protocol,
            },
            query,
            interface: INTERFACE_INDEX,
            vlan,
            mac,
        };
        (question, addr)
    })
}

/// Client, destination, protocol and port, and what is asked for.
type Packet = (IpAddr, IpAddr, (Protocol, Option<u16>), Option<Query>);

fn packet() -> impl Strategy<Value = Packet> {
    let service = prop_oneof![
        6 => (select(vec![6, 17, 132]), select(vec![53, 80, 81, 443, 444, 65_535]))
            .prop_map(|(number, port)| (Protocol::Number(number), Some(port))),
        1 => Just((Protocol::Ping, None)),
        1 => any::<u8>().prop_map(|number| (Protocol::Number(number), None)),
    ];
    let ends = (random::address(), random::address());
    let ends = ends.prop_filter("two families", |(a, b)| a.is_ipv4() == b.is_ipv4());
    (ends, service).prop_map(|((client, addr), service)| (client, addr, service, None))
}

fn query(places: &Places) -> impl Strategy<Value = Packet> + use<> {
    let ends = (places.client(), select(places.resolvers.clone()));
    let ends = ends.prop_filter("two families", |(a, b)| a.is_ipv4() == b.is_ipv4());
    let query = (
        select(&NAMES[..]),
        select(vec!["A", "AAAA", "HTTPS", "PTR"]),
    );
    let query = query.prop_filter_map("no query", |(name, kind)| {
        format!("{name}/{kind}").parse().ok()
    });
    (ends, select(vec![6, 17]), query).prop_map(|((client, addr), number, query)| {
        let service = (Protocol::Number(number), Some(53));
        (client, addr, service, Some(query))
    })
}

impl Report for ExplainReport {
    fn lines(&self) -> Vec<(&'static str, String)> {
        let reasons = self
            .reasons
            .iter()
            .map(|(reason, count)| format!("{reason} {count}"));
        let mut lines = vec![
            ("questions", self.questions.to_string()),
            ("policies", self.policies.to_string()),
            ("an answer", self.answer.to_string()),
            ("reasons", reasons.collect::<Vec<_>>().join(", ")),
            ("packets that do not pass", self.denied.to_string()),
            ("of them compared with their event", self.events.to_string()),
            (
                "of them with a change that was tried",
                self.with_change.to_string(),
            ),
            ("queries of strict groups", {
                let Names { passed, refused } = self.names;
                format!("{passed} may be asked, {refused} may not")
            }),
            ("differences", self.differences.to_string()),
        ];
        lines.extend(self.shown.iter().map(|what| ("", what.clone())));
        lines
    }
}
