//! Random catalogues and random packets: the kernel's program, the pure judge on the compiled
//! generation, and the policy as it is written must agree about every one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use anyhow::Result;
use egress_common::flow::{Addr, Flow, FlowKey, proto};
use egress_common::fragment::DatagramKey;
use egress_common::judge::Tables as _;
use egress_common::learned::{Learned, Slot};
use egress_common::limits::TEACHERS;
use egress_common::parse::quote::{self, Message};
use egress_common::parse::{Datagram, parse};
use egress_common::pattern::NamePattern;
use egress_common::refusal::refusal;
use egress_common::rule::{ANY_PROTO, GroupPolicy};
use egress_common::verdict::{Action, Mode, Reason, Verdict};
use egress_ctl::config::Config;
use egress_ctl::config::group::{Group, Members};
use egress_ctl::config::rule::{OwnRule, Service, Target};
use egress_ctl::dataplane::{boot_ms, swap};
use egress_ctl::policy::compile::{Circumstances, compile};
use egress_ctl::policy::ids::Ids;
use egress_ctl::policy::tables::HostTables;
use egress_ctl::prefix::canonical;
use ipnet::IpNet;
use lab::kernel::{Fate, INTERFACE, INTERFACE_INDEX, Kernel, TODAY, inside};
use lab::random::{self, Admission, Teaching};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config as Settings, TestCaseError, TestRunner};

/// Random policies, and packets for each: 10,000 in all.
const POLICIES: u32 = 40;
const PACKETS: usize = 250;

#[test]
fn kernel_judge_and_policy_agree_about_random_packets() -> Result<()> {
    inside(|pin_dir| {
        let kernel = std::cell::RefCell::new(Kernel::load(pin_dir)?);
        let settings = Settings {
            cases: POLICIES,
            failure_persistence: None,
            max_shrink_iters: 60,
            ..Settings::default()
        };
        let input = (
            random::policy(),
            random::teachings(),
            random::frames(PACKETS),
            random::admissions(),
        );
        let agree = |(policy, teachings, frames, admissions): Case| {
            let mut kernel = kernel.borrow_mut();
            agree(&mut kernel, &policy, &teachings, &frames, &admissions)
                .map_err(|fault| TestCaseError::fail(format!("{fault:#}")))
        };
        TestRunner::new(settings)
            .run(&input, agree)
            .map_err(|fault| anyhow::anyhow!("{fault}"))
    })?
}

type Case = (String, Vec<Teaching>, Vec<Vec<u8>>, Vec<Admission>);

fn agree(
    kernel: &mut Kernel,
    policy: &str,
    teachings: &[Teaching],
    frames: &[Vec<u8>],
    admissions: &[Admission],
) -> Result<()> {
    let config = random::config(policy);
    let own = ["203.0.112.1".parse()?, "2001:db8::1".parse()?];
    kernel.forget()?;
    let generation = kernel.put_into_force(&config, &own)?;
    let learned = taught(kernel, teachings)?;
    let admitted = admitted(kernel, frames, admissions)?;
    let mut tables = HostTables {
        learned: learned.into_iter().collect(),
        admitted: admitted
            .iter()
            .map(|(flow, (_, word))| (*flow, *word))
            .collect(),
        now_ms: boot_ms(),
        interfaces: HashMap::from([(INTERFACE_INDEX, INTERFACE.to_owned())]),
        ..HostTables::new(&generation)
    };
    let mut written = Written {
        config: &config,
        own: &own,
        teachings,
        admitted,
        passed: BTreeMap::new(),
    };
    kernel.forgive()?;
    for frame in frames {
        let mut parsed = parse(&frame[..]);
        if let Ok(datagram) = &mut parsed {
            datagram.flow.interface = INTERFACE_INDEX;
        }
        let verdict = match &parsed {
            Ok(datagram) => tables.judge_frame(frame, datagram),
            Err(reason) => Verdict::because(*reason),
        };
        let policy = tables.policy(u32::from(verdict.group));
        let policy = policy.unwrap_or(GroupPolicy {
            mode: config.gateway.mode,
            ..GroupPolicy::NONE
        });
        let mut action = policy.mode.action(verdict.reason, policy.denial);
        let told = parsed.as_ref().ok();
        let told = told.and_then(|datagram| refusal(&frame[..], datagram));
        if action == Action::Reject && told.is_none() {
            action = Action::Drop;
        }
        let asked = kernel.ask(frame)?;
        anyhow::ensure!(
            asked.to_code() == verdict.to_code(),
            "the kernel answers {asked:?}, judge {verdict:?}: {frame:02x?}"
        );
        let before = kernel.count_of(policy.counters, action, verdict.reason)?;
        let fate = kernel.fate(frame)?;
        if action == Action::Reject {
            kernel.forgive()?;
        }
        let after = kernel.count_of(policy.counters, action, verdict.reason)?;
        let expected = match &fate {
            Fate::Passes => matches!(action, Action::Allow | Action::WouldDrop),
            Fate::IsDropped => action == Action::Drop,
            Fate::IsAnswered(_) => action == Action::Reject,
        };
        anyhow::ensure!(
            expected && after.packets == before.packets + 1,
            "{fate:?}, expected {action:?} for {verdict:?}: {frame:02x?}"
        );
        if let Ok(datagram) = parsed {
            let allowed = written.allows_frame(frame, &datagram);
            anyhow::ensure!(
                match verdict.reason {
                    // Headers settle it, or more gaps between fragments than the kernel remembers.
                    Reason::Malformed
                    | Reason::EmbeddedAddress
                    | Reason::SourceRoute
                    | Reason::FragmentUnknown
                    | Reason::FragmentOverlap => true,
                    reason => allowed == reason.passes(),
                },
                "as written it is {allowed}, judge says {verdict:?}: {datagram:?}"
            );
            written.note(&datagram, verdict);
        }
    }
    Ok(())
}

/// Teaches kernel and caller the same.
fn taught(kernel: &Kernel, teachings: &[Teaching]) -> Result<BTreeMap<Addr, Learned>> {
    let now = boot_ms() as i64;
    let mut all: BTreeMap<Addr, Vec<u64>> = BTreeMap::new();
    for Teaching {
        addr,
        pattern,
        left_ms,
    } in teachings
    {
        let id = kernel.ids().sets().count() as u32;
        let slot = Slot {
            // A pattern that no generation knows yet is as good as any unknown one.
            pattern: kernel.ids().clone().pattern(pattern).unwrap_or(id),
            expires_ms: (now + left_ms).max(1) as u64,
        };
        all.entry((*addr).into()).or_default().push(slot.to_word());
    }
    let mut learned = BTreeMap::new();
    for (addr, words) in all {
        let mut taught = Learned::EMPTY;
        for (slot, word) in taught.slots.iter_mut().zip(words) {
            *slot = word;
        }
        swap::teach(kernel.pinned(), addr, taught)?;
        learned.insert(addr, taught);
    }
    Ok(learned)
}

/// Admits connections of some of the frames, in the kernel and for the caller: by which pattern, if
/// that is not over, and the word of its slot.
fn admitted(
    kernel: &Kernel,
    frames: &[Vec<u8>],
    admissions: &[Admission],
) -> Result<BTreeMap<FlowKey, (Option<&'static str>, u64)>> {
    let now = boot_ms();
    let mut all = BTreeMap::new();
    for admission in admissions {
        let Ok(datagram) = parse(&admission.frame.get(frames)[..]) else {
            continue;
        };
        let slot = Slot {
            pattern: kernel.ids().clone().pattern(admission.pattern)?,
            expires_ms: now.saturating_add_signed(admission.left_ms).max(1),
        };
        let flow = datagram.flow.key();
        swap::admit(kernel.pinned(), flow, slot.to_word())?;
        let pattern = (admission.left_ms > 0).then_some(admission.pattern);
        all.insert(flow, (pattern, slot.to_word()));
    }
    Ok(all)
}

/// The policy as the config writes it, without unions, tries or rulesets.
struct Written<'a> {
    config: &'a Config,
    own: &'a [IpAddr],
    teachings: &'a [Teaching],
    admitted: BTreeMap<FlowKey, (Option<&'static str>, u64)>,
    /// Units of fragments that passed, by datagram.
    passed: BTreeMap<DatagramKey, BTreeSet<u32>>,
}

impl Written<'_> {
    /// An error is allowed with what it is about, a later fragment with the first one if nothing of it
    /// passed before.
    fn allows_frame(&self, frame: &[u8], datagram: &Datagram) -> bool {
        let (flow, piece) = (&datagram.flow, &datagram.piece);
        let reaches = |flow: &Flow| self.reaches_anyway(flow);
        match quote::message(flow) {
            _ if reaches(flow) => true,
            _ if flow.later_fragment => {
                let passed = self.passed.get(&DatagramKey::of(flow, piece));
                passed.is_some_and(|units| units.range(piece.start..piece.end).next().is_none())
            }
            Message::Other => self.allows(flow),
            Message::Redirect => false,
            Message::Error => {
                let about = || quote::read(frame, flow, datagram.l4, datagram.end);
                let allows = |about: Flow| self.allows(&about);
                let group = self.group(flow);
                let denied = || self.denies(flow);
                self.allows(flow) || group.is_some() && !denied() && about().is_ok_and(allows)
            }
        }
    }

    /// Notes a fragment that passes.
    fn note(&mut self, datagram: &Datagram, verdict: Verdict) {
        let (flow, piece) = (&datagram.flow, &datagram.piece);
        if !piece.is_fragment() || !verdict.reason.passes() {
            return;
        }
        let passed = self.passed.entry(DatagramKey::of(flow, piece)).or_default();
        if !piece.is_later() {
            passed.clear();
        }
        passed.extend(piece.start..piece.end);
    }

    /// Whether a rule of the client's group denies it.
    fn denies(&self, flow: &Flow) -> bool {
        let rules = |group: &Group| {
            let mut rules = group.rules.iter();
            rules.any(|rule| rule.denies && self.applies(rule, flow))
        };
        self.group(flow).is_some_and(rules)
    }

    /// Whether destination or group let it pass, whatever it is.
    fn reaches_anyway(&self, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let mut internal = self.config.gateway.internal.iter();
        flow.dst.is_link_scope()
            || self.own.contains(&dst)
            || internal.any(|prefix| prefix.contains(&dst))
            || self
                .group(flow)
                .is_some_and(|group| group.mode == Some(Mode::Off))
    }

    fn allows(&self, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let gateway = &self.config.gateway;
        if self.reaches_anyway(flow) {
            return true;
        }
        let Some(group) = self.group(flow) else {
            return false;
        };
        if gateway.resolvers.contains(&dst)
            && flow.dst_port == 53
            && [proto::TCP, proto::UDP].contains(&flow.proto)
        {
            return true;
        }
        let rules = || group.rules.iter().filter(|rule| self.applies(rule, flow));
        if rules().any(|rule| rule.denies) {
            return false;
        }
        let sets = self.config.catalogue.sets().iter();
        let mut sets = sets.filter(|set| group.allow.contains(&set.key));
        let by_set = sets.any(|set| {
            let ports = match flow.proto {
                proto::TCP => &set.tcp_ports,
                proto::UDP => &set.udp_ports,
                _ => return false,
            };
            let by_prefix = set
                .ips
                .iter()
                .any(|prefix| canonical(*prefix).contains(&dst));
            let by_name = || {
                let mut urls = set.urls.iter();
                urls.any(|pattern| self.is_taught(dst, pattern) || self.is_admitted(flow, pattern))
            };
            ports.contains(flow.dst_port) && (by_prefix || by_name())
        });
        by_set || rules().next().is_some()
    }

    /// The group of the most specific marks, and among equals of the longest prefix.
    fn group(&self, flow: &Flow) -> Option<&Group> {
        let src = IpAddr::from(flow.src);
        let fit = |group: &&Group| {
            let Members {
                interfaces,
                vlans,
                macs,
                ..
            } = &group.members;
            (interfaces.is_empty() || interfaces.iter().any(|name| name == INTERFACE))
                && (vlans.is_empty() || vlans.contains(&flow.vlan))
                && (macs.is_empty() || macs.contains(&flow.mac))
        };
        let ranked = |group: &'_ Group| -> Option<(u8, u8)> {
            let Members { clients, .. } = &group.members;
            let level = group.members.level();
            let covering = clients.iter().filter(|prefix| prefix.contains(&src));
            let longest = covering.map(IpNet::prefix_len).max();
            match clients.is_empty() && level > 0 {
                true => Some((level, 0)),
                false => longest.map(|longest| (level, longest)),
            }
        };
        let groups = self.config.groups.iter().filter(fit);
        let ranked = groups.filter_map(|group| Some((ranked(group)?, group)));
        // Of equals the first; `max_by_key` would take the last.
        let best = ranked.rev().max_by_key(|(rank, _)| *rank);
        let default = || self.config.groups.iter().find(|group| group.is_default);
        best.map(|(_, group)| group).or_else(default)
    }

    /// Whether a rule of a group's own is about this packet. What taught an address denies as long as it
    /// is valid; what admitted a connection admits it on.
    fn applies(&self, rule: &OwnRule, flow: &Flow) -> bool {
        let dst = IpAddr::from(flow.dst);
        let serves = |service: &Service| {
            [flow.proto, ANY_PROTO].contains(&service.proto)
                && (service.low..=service.high).contains(&flow.dst_port)
        };
        let covers = |target: &Target| match target {
            Target::Prefix(prefix) => prefix.contains(&dst),
            Target::Name(name) => {
                self.is_taught(dst, name) || !rule.denies && self.is_admitted(flow, name)
            }
        };
        rule.until.is_none_or(|until| until >= TODAY)
            && rule.services.iter().any(serves)
            && (rule.to.is_empty() || rule.to.iter().any(covers))
    }

    /// Whether a valid teaching of the address is by a pattern that `pattern` covers.
    fn is_taught(&self, dst: IpAddr, pattern: &NamePattern) -> bool {
        let of_addr = self
            .teachings
            .iter()
            .filter(|t| t.addr == dst)
            .take(TEACHERS);
        let mut valid = of_addr.filter(|t| t.left_ms > 0);
        valid.any(|teaching| self.is_covered(teaching.pattern, pattern))
    }

    /// Whether the packet goes on with a connection that a pattern admitted which `pattern` covers.
    fn is_admitted(&self, flow: &Flow, pattern: &NamePattern) -> bool {
        let by = self.admitted.get(&flow.key()).and_then(|(by, _)| *by);
        !flow.opens && by.is_some_and(|by| self.is_covered(by, pattern))
    }

    /// Whether `narrow` is a pattern of the policy that `wide` covers.
    fn is_covered(&self, narrow: &str, wide: &NamePattern) -> bool {
        let groups = || self.config.groups.iter();
        let sets = self.config.catalogue.sets().iter();
        let mut selected = sets.filter(|set| groups().any(|group| group.allow.contains(&set.key)));
        let in_set = selected.any(|set| set.urls.iter().any(|url| url.to_string() == narrow));
        let is_target =
            |target: &Target| matches!(target, Target::Name(name) if name.to_string() == narrow);
        let in_rule = groups().flat_map(|group| &group.rules).any(|rule| {
            rule.until.is_none_or(|until| until >= TODAY) && rule.to.iter().any(is_target)
        });
        (in_set || in_rule) && narrow.parse().is_ok_and(|narrow| wide.covers(&narrow))
    }
}

#[test]
fn every_kind_of_verdict_occurs_among_random_packets() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..120 {
        let mut ids = Ids::default();
        let config = random::config(&one(random::policy(), &mut runner));
        let own = ["203.0.112.1".parse().expect("an address")];
        let circumstances = Circumstances {
            own: &own,
            today: TODAY,
        };
        let generation = compile(&config, circumstances, &mut ids).expect("compiles");
        let mut tables = HostTables::new(&generation);
        tables.now_ms = 10_000_000;
        for teaching in one(random::teachings(), &mut runner) {
            let slot = Slot {
                pattern: ids.pattern(teaching.pattern).expect("an id"),
                expires_ms: tables.now_ms.saturating_add_signed(teaching.left_ms),
            };
            let learned = Learned::first(slot, tables.now_ms);
            tables.learned.insert(teaching.addr.into(), learned);
        }
        for refused in one(random::teachings(), &mut runner) {
            tables
                .refused
                .insert(refused.addr.into(), tables.now_ms + 1);
        }
        for frame in one(random::frames(100), &mut runner) {
            seen.insert(match parse(&frame[..]) {
                Ok(datagram) => tables.judge_frame(&frame, &datagram).reason,
                Err(reason) => reason,
            });
        }
    }
    // ARP has a test of its own, connections that go on need the kernel's memory, and a table is never
    // missing here.
    let elsewhere = [Reason::LinkControl, Reason::Established, Reason::NoPolicy];
    let missing: Vec<_> = Reason::ALL
        .iter()
        .filter(|reason| !seen.contains(reason) && !elsewhere.contains(reason))
        .collect();
    assert!(missing.is_empty(), "random packets never are {missing:?}");
}

fn one<S: Strategy>(strategy: S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).expect("a value").current()
}
