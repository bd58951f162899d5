//! The kernel's program, the pure judge on the compiled generation, and the policy as it is written: asked
//! about the same packets, they must agree.
//!
//! In: a [`Case`], made up at random. Out: what its packets were judged, or the first difference.

mod memory;
mod written;

use std::collections::HashMap;

use anyhow::{Result, ensure};
use egress_common::judge::Tables as _;
use egress_common::parse::{Datagram, parse};
use egress_common::refusal::refusal;
use egress_common::rule::GroupPolicy;
use egress_common::verdict::{Action, Reason, Verdict};
use egress_ctl::config::Config;
use egress_ctl::dataplane::boot_ms;
use egress_ctl::policy::tables::HostTables;
use proptest::prelude::*;

use self::memory::{admitted, taught};
use self::written::Written;
use crate::kernel::{Fate, INTERFACE, INTERFACE_INDEX, Kernel};
use crate::random::{self, Admission, Teaching};

/// A policy, what is known when it comes into force, and what clients then send.
#[derive(Clone, Debug)]
pub struct Case {
    /// The config's text.
    pub policy: String,
    /// What DNS answers taught.
    pub teachings: Vec<Teaching>,
    /// Packets, in the order in which they are sent.
    pub frames: Vec<Vec<u8>>,
    /// Which of their connections were admitted before.
    pub admissions: Vec<Admission>,
}

/// Random cases of about so many packets.
pub fn cases(about: usize) -> impl Strategy<Value = Case> {
    (
        random::policy(),
        random::teachings(),
        random::frames(about),
        random::admissions(),
    )
        .prop_map(|(policy, teachings, frames, admissions)| Case {
            policy,
            teachings,
            frames,
            admissions,
        })
}

/// Shows a case to all three, on the addresses `203.0.112.1` and `2001:db8::1` of the gateway. Out: what was
/// done with each packet, and why.
///
/// # Errors
/// They differ, or the kernel refuses something.
pub fn agree(kernel: &mut Kernel, case: &Case) -> Result<Vec<(Action, Reason)>> {
    let config = random::config(&case.policy);
    let own = ["203.0.112.1".parse()?, "2001:db8::1".parse()?];
    kernel.forget()?;
    // As if an earlier generation had had them.
    kernel.know(&random::MEETINGS)?;
    let generation = kernel.put_into_force(&config, &own)?;
    let learned = taught(kernel, &case.teachings)?;
    let admitted = admitted(kernel, &case.frames, &case.admissions)?;
    kernel.forgive()?;
    let words = admitted.iter().map(|(flow, (_, word))| (*flow, *word));
    let mut parties = Parties {
        kernel,
        config: &config,
        tables: HostTables {
            learned: learned.into_iter().collect(),
            admitted: words.collect(),
            now_ms: boot_ms(),
            interfaces: HashMap::from([(INTERFACE_INDEX, INTERFACE.to_owned())]),
            ..HostTables::new(&generation)
        },
        written: Written::new(&config, &own, &case.teachings, &admitted),
    };
    let frames = case.frames.iter();
    frames.map(|frame| parties.agree(frame)).collect()
}

/// Who must agree.
struct Parties<'a> {
    kernel: &'a mut Kernel,
    config: &'a Config,
    tables: HostTables<'a>,
    written: Written<'a>,
}

impl Parties<'_> {
    fn agree(&mut self, frame: &[u8]) -> Result<(Action, Reason)> {
        let mut parsed = parse(frame);
        if let Ok(datagram) = &mut parsed {
            datagram.flow.interface = INTERFACE_INDEX;
        }
        let verdict = match &parsed {
            Ok(datagram) => self.tables.judge_frame(frame, datagram),
            Err(reason) => Verdict::because(*reason),
        };
        let action = self.expected(frame, parsed.as_ref().ok(), verdict)?;
        if let Ok(datagram) = &parsed {
            self.as_written(frame, datagram, verdict)?;
        }
        Ok((action, verdict.reason))
    }

    /// What the kernel has to do, and does.
    fn expected(
        &mut self,
        frame: &[u8],
        datagram: Option<&Datagram>,
        verdict: Verdict,
    ) -> Result<Action> {
        let policy = self.tables.policy(u32::from(verdict.group));
        let policy = policy.unwrap_or(GroupPolicy {
            mode: self.config.gateway.mode,
            ..GroupPolicy::NONE
        });
        let mut action = policy.mode.action(verdict.reason, policy.denial);
        let told = datagram.and_then(|datagram| refusal(frame, datagram));
        // Nobody is refused a name that cannot be read, as in random queries.
        let has_answer = told.is_some() && verdict.reason != Reason::DnsNameRefused;
        if action == Action::Reject && !has_answer {
            action = Action::Drop;
        }
        let asked = self.kernel.ask(frame)?;
        ensure!(
            asked.to_code() == verdict.to_code(),
            "the kernel answers {asked:?}, judge {verdict:?}: {frame:02x?}"
        );
        let count = |kernel: &Kernel| kernel.count_of(policy.counters, action, verdict.reason);
        let before = count(self.kernel)?;
        let fate = self.kernel.fate(frame)?;
        if action == Action::Reject {
            self.kernel.forgive()?;
        }
        let after = count(self.kernel)?;
        let fits = match &fate {
            Fate::Passes => matches!(action, Action::Allow | Action::WouldDrop),
            Fate::IsDropped => action == Action::Drop,
            Fate::IsAnswered(_) => action == Action::Reject,
        };
        ensure!(
            fits && after.packets == before.packets + 1,
            "{fate:?}, expected {action:?} for {verdict:?}: {frame:02x?}"
        );
        Ok(action)
    }

    /// Headers settle some packets before the policy is asked, and of fragments the policy says nothing
    /// where there are more gaps between them than the kernel remembers.
    fn as_written(&mut self, frame: &[u8], datagram: &Datagram, verdict: Verdict) -> Result<()> {
        let allowed = self.written.allows_frame(frame, datagram);
        let agrees = match verdict.reason {
            Reason::Malformed
            | Reason::EmbeddedAddress
            | Reason::SourceRoute
            | Reason::FragmentUnknown
            | Reason::FragmentOverlap => true,
            reason => allowed == reason.passes(),
        };
        ensure!(
            agrees,
            "as written it is {allowed}, judge says {verdict:?}: {datagram:?}"
        );
        self.written.note(datagram, verdict);
        Ok(())
    }
}
