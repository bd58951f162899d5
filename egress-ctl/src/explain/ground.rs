//! What questions are answered by: a policy, and what was learned beside it.

use std::net::IpAddr;

use egress_common::{
    decide::decide_packet,
    flow::{Addr, Flow, FlowKey, proto},
    fragment::DatagramKey,
    judge::Tables as _,
    learned::{EVERYBODY, Learned, LearnedKey, Slot},
    parse::parse,
    rule::GroupPolicy,
    verdict::{Action, Denial, Mode, NO_SET, Reason, Verdict},
};

use super::{frame::frame, question::Question};
use crate::{
    config::Config,
    dataplane::{
        boot_ms,
        maps::{Pinned, PinnedError},
    },
    feed::standing::Feeds,
    policy::{
        compile::Circumstances,
        generation::Generation,
        ids::Ids,
        tables::{HostTables, longest},
    },
};

/// A compiled config, and what was learned.
pub struct Ground<'a> {
    /// The config's text.
    pub text: &'a str,
    /// The config.
    pub config: &'a Config,
    /// What its web services brought.
    pub feeds: &'a Feeds,
    /// What it was compiled for.
    pub circumstances: Circumstances<'a>,
    /// Ids given so far.
    pub ids: &'a Ids,
    /// The generation, and what was learned.
    pub tables: HostTables<'a>,
}

/// What exactly a packet is judged as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A packet to this address.
    Address(IpAddr),
    /// A packet to an address that an answer for this name just gave, and nothing else says anything of.
    Name(String),
}

impl Subject {
    /// The address that policy judges: of one behind a NAT64 prefix the IPv4 address; none of a name.
    pub fn meant(&self) -> Option<IpAddr> {
        match self {
            Self::Address(addr) => Some(Addr::from(*addr).learned_as().into()),
            Self::Name(_) => None,
        }
    }
}

/// A packet that was judged.
#[derive(Clone, Copy, Debug)]
pub struct Judged {
    /// What it was parsed to; none where parsing settled it.
    pub flow: Option<Flow>,
    /// What became of it.
    pub verdict: Verdict,
}

impl Ground<'_> {
    /// The generation.
    pub fn generation(&self) -> &Generation {
        self.tables.generation
    }

    /// Name of a group by its number.
    pub fn group_named(&self, group: u8) -> Option<&str> {
        let group = self.generation().groups.get(usize::from(group))?;
        Some(&group.name)
    }

    /// Key of the endpoint set or rule that decided.
    pub fn decided(&self, verdict: Verdict) -> Option<String> {
        let known = (verdict.set != NO_SET).then(|| self.ids.set_named(verdict.set));
        known.flatten().map(str::to_owned)
    }

    /// What is done with a packet that is judged so.
    pub fn action(&self, judged: &Judged) -> Action {
        let verdict = judged.verdict;
        let action = match (self.config.gateway.mode, self.policy_of(verdict)) {
            (Mode::Off, _) => Action::Allow,
            (mode, None) => mode.action(verdict.reason, Denial::default()),
            (_, Some(policy)) => policy.mode.action(verdict.reason, policy.denial),
        };
        unanswered(action, judged)
    }

    /// What would be done with it in mode enforce.
    pub fn enforced(&self, judged: &Judged) -> Action {
        let denial = self.policy_of(judged.verdict).map(|policy| policy.denial);
        let denial = denial.unwrap_or_default();
        unanswered(Mode::Enforce.action(judged.verdict.reason, denial), judged)
    }

    fn policy_of(&self, verdict: Verdict) -> Option<GroupPolicy> {
        self.tables.policy(u32::from(verdict.group))
    }

    /// Reads what the kernel has learned of an address for a client, and of a connection to it, at this moment.
    ///
    /// # Errors
    /// A map is not there.
    pub fn learn(
        &mut self,
        pinned: Pinned<'_>,
        addr: IpAddr,
        client: Option<IpAddr>,
        connection: Option<FlowKey>,
    ) -> Result<(), PinnedError> {
        let addr = Addr::from(addr).learned_as();
        let key = learned_key(addr, client, &self.tables);
        if let Ok(learned) = pinned.learned()?.get(&key, 0) {
            self.tables.learned.insert(key, learned);
        }
        if let Ok(until) = pinned.refused()?.get(&addr, 0) {
            self.tables.refused.insert(addr, until);
        }
        if let Some(flow) = connection
            && let Ok(until) = pinned.flows()?.get(&flow, 0)
        {
            self.tables.admitted.insert(flow, until);
        }
        self.tables.now_ms = boot_ms();
        Ok(())
    }
}

/// A query in a stream has no answer that could be made up from one packet: it is dropped.
fn unanswered(action: Action, judged: &Judged) -> Action {
    let is_query = judged.verdict.reason == Reason::DnsNameRefused;
    let in_stream = judged.flow.is_some_and(|flow| flow.proto == proto::TCP);
    match action {
        Action::Reject if is_query && in_stream => Action::Drop,
        action => action,
    }
}

/// Under what an address stands that was taught for a client; without one, for everybody.
pub(super) fn learned_key(
    addr: Addr,
    client: Option<IpAddr>,
    tables: &HostTables<'_>,
) -> LearnedKey {
    let scope = tables.generation.settings.scope();
    LearnedKey::of(addr, client.map_or(EVERYBODY, Addr::from), scope)
}

/// Judges what is asked; none where client and address are of different families.
pub fn judged(question: &Question, subject: &Subject, tables: &HostTables<'_>) -> Option<Judged> {
    match subject {
        Subject::Address(dst) => of_frame(&frame(question, *dst)?, question.interface, tables),
        Subject::Name(name) => {
            let (dst, tables) = answered(name, question.client, tables);
            of_frame(&frame(question, dst)?, question.interface, &tables)
        }
    }
}

/// Judges a frame, as the kernel does.
fn of_frame(frame: &[u8], interface: u32, tables: &HostTables<'_>) -> Option<Judged> {
    let seen = |key: &DatagramKey| tables.fragments.get(key).copied();
    Some(match parse(frame) {
        Ok(mut datagram) => {
            datagram.flow.interface = interface;
            Judged {
                flow: Some(datagram.flow),
                verdict: decide_packet(frame, &datagram, tables, seen).verdict,
            }
        }
        Err(reason) => Judged {
            flow: None,
            verdict: Verdict::because(reason),
        },
    })
}

/// An address of no special meaning, and tables in which an answer for the name just gave it.
fn answered<'a>(name: &str, client: IpAddr, tables: &HostTables<'a>) -> (IpAddr, HostTables<'a>) {
    let generation = tables.generation;
    let dst = unnamed(generation, client.is_ipv4());
    let key = learned_key(dst.into(), Some(client), tables);
    let mut answered = HostTables {
        now_ms: tables.now_ms,
        interfaces: tables.interfaces.clone(),
        ..HostTables::new(generation)
    };
    match generation.pattern_of(name) {
        Some(teacher) => {
            let slot = Slot {
                pattern: teacher.id,
                expires_ms: u64::MAX,
            };
            let learned = Learned::first(slot, tables.now_ms);
            answered.learned.insert(key, learned);
        }
        None => {
            answered.refused.insert(key.addr, u64::MAX);
        }
    }
    (dst, answered)
}

/// An address that no prefix names but such as name everything.
fn unnamed(generation: &Generation, is_v4: bool) -> IpAddr {
    let candidates = (1..=64_u8).map(|i| -> IpAddr {
        match is_v4 {
            true => [30 + i, 7, 7, 99].into(),
            false => [0x2a00 + u16::from(i), 7, u16::from(i), 0, 0, 0, 0, 0x99].into(),
        }
    });
    let is_unnamed = |addr: &IpAddr| {
        let covering = longest(&generation.destinations, *addr);
        covering.is_none_or(|(prefix, _)| prefix.prefix_len() == 0)
    };
    let mut unnamed = candidates.clone().filter(is_unnamed);
    let any = unnamed.next().or_else(|| candidates.clone().next());
    any.unwrap_or(IpAddr::from([11, 7, 1, 99]))
}
