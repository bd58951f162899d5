//! LAN ingress, whichever hook a packet comes by.
//!
//! In: a [`Hook`], which reads its own kind of packet. Out: what was decided, counted and reported.

use egress_common::{
    flow::Flow,
    judge::Tables as _,
    parse::Datagram,
    rule::{GroupPolicy, feature},
    steer::Steering,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    bypass::lenient,
    datagram::{Parsed, decide, parsed},
    events::{is_watched, note_sender, report},
    log, missed,
    stats::count_verdict,
    tables::Generation,
};

/// A packet at a hook, read by global functions that the hook's programs may call; what those return is
/// as in [`crate::datagram`].
pub trait Hook {
    /// Bytes of the packet, as far as it can be read.
    fn bytes(&self) -> usize;
    /// Bytes of the whole packet.
    fn whole_bytes(&self) -> usize;
    /// Index of the interface that it came in by.
    fn interface(&self) -> u32;
    /// The machine that sent it; zeros where there is no link layer.
    fn sender(&self) -> [u8; 6];
    /// Says that it cannot be parsed for this reason, by its number; see [`log::unparsed`].
    #[cfg(feature = "log")]
    fn say_unparsed(&self, reason: u32);
    /// Parses it.
    fn parse(&self, datagram: *mut Datagram) -> u32;
    /// Reads its IPv4 options.
    fn options(&self, datagram: *const Datagram) -> u32;
    /// Reads the flow that it is about.
    fn quoted(&self, datagram: *const Datagram, flow: *mut Flow) -> u32;
    /// The verdict on a DNS query that passes as `alone`, both as codes.
    fn may_ask(&self, datagram: *const Datagram, half: u32, alone: u32) -> u32;
    /// Notes what it asks a trusted resolver.
    fn asks(&self, datagram: *const Datagram, half: u32);
    /// Turns it into its rejection for a reason; tells whether it did.
    fn answers(&self, datagram: *const Datagram, reason: Reason) -> bool;
}

/// What was decided about a packet.
pub struct Judged {
    /// What becomes of the packet; it is rejected only if it was turned into its answer.
    pub action: Action,
    verdict: Verdict,
    generation: Option<Generation>,
}

/// What of a verdict the fast path goes by.
pub struct Passage {
    /// The verdict's code.
    pub code: u32,
    /// The half of the tables that the generation is in.
    pub half: u32,
}

impl Judged {
    /// For packets that may be forwarded past the stack; nothing where there is no fast path.
    #[inline(always)]
    pub fn passage(&self) -> Option<Passage> {
        let generation = self.generation?;
        if !generation.has(feature::FORWARDS) {
            return None;
        }
        Some(Passage {
            code: self.verdict.to_code(),
            half: generation.half(),
        })
    }

    /// How the packet is steered if it passes; nothing where no packet is.
    #[inline(always)]
    pub fn steering(&self) -> Option<Steering> {
        self.generation?.steering(self.verdict)
    }
}

/// Judges a packet, counts it, and reports it; nothing where the mode is off.
#[inline(always)]
pub fn judged<H: Hook>(hook: &H) -> Option<Judged> {
    let Some(generation) = Generation::current() else {
        return Some(lawless(hook));
    };
    let everybody = generation.everybody();
    let parsed = parsed(hook);
    if matches!(everybody.mode, Mode::Off) {
        // What is learned meanwhile is known once packets are judged again.
        note_query(hook, parsed, generation);
        return None;
    }
    let bytes = bytes(hook, parsed);
    let verdict = decide(hook, parsed, generation, bytes);
    let policy = generation.policy(u32::from(verdict.group));
    let policy = policy.unwrap_or(everybody);
    let action = lenient(policy.mode.action(verdict.reason, policy.denial));
    let action = answered(hook, action, parsed, verdict.reason);
    count_verdict(policy.counters, action, verdict, bytes);
    if let Ok(datagram) = parsed {
        missed::note(&datagram.flow, verdict.reason);
    }
    log::unparsed(hook, parsed);
    tell(hook, parsed, generation.number(), verdict, action, bytes);
    if matches!(action, Action::Allow | Action::WouldDrop) {
        note_query(hook, parsed, generation);
    }
    Some(Judged {
        action,
        verdict,
        generation: Some(generation),
    })
}

/// Notes a query of a packet that passes.
#[inline(always)]
fn note_query<H: Hook>(hook: &H, parsed: Parsed, generation: Generation) {
    if let Ok(datagram) = parsed
        && datagram.flow.is_dns_query()
    {
        hook.asks(datagram, generation.half());
    }
}

/// No generation, no packet.
#[inline(always)]
fn lawless<H: Hook>(hook: &H) -> Judged {
    let verdict = Verdict::because(Reason::NoPolicy);
    let (action, bytes) = (lenient(Action::Drop), hook.whole_bytes());
    count_verdict(GroupPolicy::NONE.counters, action, verdict, bytes);
    tell(hook, Err(Reason::NoPolicy), 0, verdict, action, bytes);
    Judged {
        action,
        verdict,
        generation: None,
    }
}

/// Reports a packet that is not allowed to whoever watches.
#[inline(always)]
fn tell<H: Hook>(
    hook: &H,
    parsed: Parsed,
    generation: u64,
    verdict: Verdict,
    action: Action,
    bytes: usize,
) {
    if matches!(action, Action::Allow) || !is_watched() {
        return;
    }
    if parsed.is_err() {
        note_sender(hook.sender(), hook.interface());
    }
    let flow = parsed.ok().map(|datagram| &datagram.flow);
    report(flow, generation, verdict, action, bytes);
}

/// Bytes of a packet. Of a frame in several buffers the kernel tells the length, which takes time; IP does
/// too.
#[inline(always)]
fn bytes<H: Hook>(hook: &H, parsed: Parsed) -> usize {
    match parsed {
        Ok(datagram) => hook.bytes().max(datagram.end),
        Err(_) => hook.whole_bytes(),
    }
}

/// What is done with a packet. A rejected one becomes its answer, or is dropped where there is none.
#[inline(always)]
fn answered<H: Hook>(hook: &H, action: Action, parsed: Parsed, reason: Reason) -> Action {
    match (action, parsed) {
        (Action::Reject, Ok(datagram)) if hook.answers(datagram, reason) => Action::Reject,
        (Action::Reject, _) => Action::Drop,
        (action, _) => action,
    }
}
