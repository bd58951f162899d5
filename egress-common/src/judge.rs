//! Flow and tables to a verdict: the one logic of kernel, commands and tests.
//!
//! In: a [`Flow`] and a generation's [`Tables`]. Out: a [`Verdict`]. The order of the questions is
//! the order of the functions below, from [`judge`] down.

use crate::{
    dns::{message::Message, policy::DnsPolicy},
    flow::{Addr, Flow},
    learned::{Found, Slot, Slots, Teacher},
    limits::TEACHERS,
    rule::{Destination, GroupPolicy, Match, Misses, mark},
    verdict::{Mode, Reason, Verdict},
};

/// One generation's tables, and what was learned.
pub trait Tables {
    /// What was learned of one address.
    type Learned: Slots;

    /// Client group of the sender: by the most specific place, then by the longest prefix of its address.
    fn group(&self, flow: &Flow) -> Option<u32>;
    /// What holds for a group.
    fn policy(&self, group: u32) -> Option<GroupPolicy>;
    /// Whether a name is denied to anybody.
    fn denies_names(&self) -> bool;
    /// What covers a destination address, by longest prefix.
    fn destination(&self, addr: &Addr) -> Destination;
    /// The same of a resolver that is asked, which is seldom and may take longer.
    fn resolver(&self, addr: &Addr) -> Destination {
        self.destination(addr)
    }
    /// What the ruleset at `index` says of a flow from a client of `group`; nothing where there is
    /// no such ruleset.
    fn decide(&self, index: u32, flow: &Flow, group: u32) -> Option<Match>;
    /// What the ruleset that this generation gives to a pattern says of it; no miss where it gives none.
    fn decide_taught(&self, pattern: u32, flow: &Flow, group: u32) -> Match;
    /// What the patterns say that taught an address; see [`by_teachers`].
    fn decide_learned(
        &self,
        learned: &Self::Learned,
        flow: &Flow,
        group: u32,
        now_ms: u64,
    ) -> Teacher {
        by_teachers(learned, flow, group, now_ms, self)
    }
    /// Whether a client of `group` may ask for the name of the question that was read.
    fn may_ask(&self, message: &mut Message, group: u32) -> bool;
    /// The slots of the flow's destination, if DNS answers gave it, as far as they count for its sender.
    fn learned(&self, flow: &Flow) -> Option<&Self::Learned>;
    /// What admitted this connection before, and until when it may be silent, as the word of a [`Slot`].
    fn admitted(&self, flow: &Flow) -> Option<u64>;
    /// Until when the last answer for a name that is not allowed gave this address, in boot-time ms.
    fn refused_until_ms(&self, addr: &Addr) -> Option<u64>;
    /// The boot-time clock in ms.
    fn now_ms(&self) -> u64;
}

/// Judges one packet.
#[inline(always)]
pub fn judge<T: Tables + ?Sized>(flow: &Flow, tables: &T) -> Verdict {
    if flow.dst.is_link_scope() {
        return Verdict::because(Reason::LinkScope);
    }
    let destination = tables.destination(&flow.dst);
    if destination.is(mark::GATEWAY) {
        return Verdict::because(Reason::Gateway);
    }
    if destination.is(mark::INTERNAL) {
        return Verdict::because(Reason::Internal);
    }
    let Some(group) = tables.group(flow) else {
        return Verdict::because(Reason::NoGroup);
    };
    let verdict = of_group(flow, group, destination, tables);
    let reason = by_port(flow, verdict.reason);
    Verdict { reason, ..verdict }.of_group(group)
}

/// What nothing allows is named by its port where that says more: clients that try encrypted DNS look past
/// the resolvers that teach.
#[inline(always)]
const fn by_port(flow: &Flow, reason: Reason) -> Reason {
    if !flow.is_encrypted_dns() {
        return reason;
    }
    match reason {
        Reason::NoRule
        | Reason::WrongPort
        | Reason::WrongProtocol
        | Reason::Expired
        | Reason::NeverResolved
        | Reason::NameNotAllowed => Reason::EncryptedDns,
        reason => reason,
    }
}

/// What a group may reach.
#[inline(always)]
fn of_group<T: Tables + ?Sized>(
    flow: &Flow,
    group: u32,
    destination: Destination,
    tables: &T,
) -> Verdict {
    let dns = match tables.policy(group) {
        None => return Verdict::because(Reason::NoPolicy),
        Some(policy) if matches!(policy.mode, Mode::Off) => {
            return Verdict::because(Reason::GroupOff);
        }
        Some(policy) => policy.dns,
    };
    if flow.later_fragment {
        return Verdict::because(Reason::FragmentUnknown);
    }
    if flow.is_dns_query() {
        if destination.is(mark::RESOLVER) {
            return Verdict::because(Reason::Resolver);
        }
        if !matches!(dns, DnsPolicy::Watch) {
            return Verdict::because(Reason::ResolverNotTrusted);
        }
    }
    by_prefix(flow, group, destination, tables)
}

/// A rule of a prefix that covers the destination decides, or else a DNS answer. Where names are denied,
/// what taught the address is asked even if a prefix allows it: a denial wins.
#[inline(always)]
fn by_prefix<T: Tables + ?Sized>(
    flow: &Flow,
    group: u32,
    destination: Destination,
    tables: &T,
) -> Verdict {
    let decided = match destination.ruleset {
        0 => None,
        ruleset => match tables.decide(ruleset, flow, group) {
            None => return Verdict::because(Reason::NoPolicy),
            decided => decided,
        },
    };
    match decided {
        Some(Match::Denied(rule)) => Verdict::by(Reason::Denied, rule),
        Some(Match::Set(set)) if !tables.denies_names() => Verdict::by(Reason::Prefix, set),
        decided => by_answer(flow, group, decided, tables),
    }
}

/// A pattern whose name a DNS answer gave this address for allows or denies it; `decided` is what the
/// prefixes say.
#[inline(always)]
fn by_answer<T: Tables + ?Sized>(
    flow: &Flow,
    group: u32,
    decided: Option<Match>,
    tables: &T,
) -> Verdict {
    let by_set = match decided {
        Some(Match::Set(set)) => Some(Verdict::by(Reason::Prefix, set)),
        _ => None,
    };
    let Some(learned) = tables.learned(flow) else {
        return match by_set {
            Some(verdict) => verdict,
            None => by_connection(flow, group, misses(decided), tables),
        };
    };
    let now_ms = tables.now_ms();
    let told = tables.decide_learned(learned, flow, group, now_ms);
    match (told.says, by_set) {
        (Match::Denied(rule), _) => Verdict::by(Reason::Denied, rule),
        (_, Some(verdict)) => verdict,
        (Match::Set(set), None) => admit(flow, Reason::Learned, set, told.pattern, now_ms),
        (Match::Not(more), None) => {
            let misses = misses(decided).unwrap_or_default().and(more);
            by_connection(flow, group, Some(misses), tables)
        }
    }
}

/// What the patterns say that taught an address: the first valid one that denies the flow, or else that allows
/// it; or what keeps it from each.
#[inline(always)]
pub fn by_teachers<T: Tables + ?Sized>(
    learned: &T::Learned,
    flow: &Flow,
    group: u32,
    now_ms: u64,
    tables: &T,
) -> Teacher {
    let mut found = Found::NOBODY;
    for i in 0..TEACHERS {
        found = found.opaque();
        let Some(slot) = Slot::from_word(learned.load(i)) else {
            continue;
        };
        let valid = slot.is_valid(now_ms);
        let told = Teacher {
            pattern: slot.pattern,
            says: tables.decide_taught(slot.pattern, flow, group),
        };
        match told.says {
            Match::Denied(_) if valid => return told,
            Match::Set(_) if valid => {
                found = found.or(told);
                if !tables.denies_names() {
                    break;
                }
            }
            Match::Set(_) => found = found.missed(Misses::EXPIRED),
            Match::Not(more) => found = found.missed(more),
            Match::Denied(_) => {}
        }
    }
    found.teacher()
}

/// Why no prefix allows it, where one covers it.
#[inline(always)]
fn misses(decided: Option<Match>) -> Option<Misses> {
    match decided {
        Some(Match::Not(misses)) => Some(misses),
        _ => None,
    }
}

/// The connection was admitted while the answer was valid, and has not been silent for too long.
/// The pattern that admitted it must still allow it, so a new generation can revoke it.
#[inline(always)]
fn by_connection<T: Tables + ?Sized>(
    flow: &Flow,
    group: u32,
    misses: Option<Misses>,
    tables: &T,
) -> Verdict {
    let admitted = if flow.opens {
        None
    } else {
        tables.admitted(flow)
    };
    if let Some(slot) = admitted.and_then(Slot::from_word) {
        let now_ms = tables.now_ms();
        match tables.decide_taught(slot.pattern, flow, group) {
            Match::Set(set) if slot.is_valid(now_ms) => {
                return admit(flow, Reason::Established, set, slot.pattern, now_ms);
            }
            Match::Denied(rule) => return Verdict::by(Reason::Denied, rule),
            _ => {}
        }
    }
    Verdict::because(match misses {
        Some(misses) => misses.nearest(),
        None => unknown(&flow.dst, tables),
    })
}

/// Allows a packet, and its connection until it falls silent.
#[inline(always)]
fn admit(flow: &Flow, reason: Reason, set: u16, pattern: u32, now_ms: u64) -> Verdict {
    let until = Slot {
        pattern,
        expires_ms: now_ms + flow.idle_ms(),
    };
    Verdict {
        admits: if flow.idle_ms() == 0 {
            0
        } else {
            until.to_word()
        },
        ..Verdict::by(reason, set)
    }
}

/// Nothing in the policy names the address: did an answer for another name give it?
#[inline(always)]
fn unknown<T: Tables + ?Sized>(addr: &Addr, tables: &T) -> Reason {
    match tables.refused_until_ms(addr) {
        Some(until) if until > tables.now_ms() => Reason::NameNotAllowed,
        _ => Reason::NeverResolved,
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod world;
