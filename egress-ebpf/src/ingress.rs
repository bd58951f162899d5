//! LAN ingress, whichever hook a packet comes by.
//!
//! In: a [`Hook`], which reads its own kind of packet. Out: what was decided, counted and reported.

use egress_common::{
    flow::Flow,
    judge::Tables as _,
    parse::Datagram,
    rule::GroupPolicy,
    steer::Steering,
    verdict::{Action, Mode, Reason, Verdict},
};

use crate::{
    datagram::decide,
    events::{is_watched, note_sender, report},
    stats::count_verdict,
    tables::Generation,
};

/// A packet at a hook, read by global functions that the hook's programs may call; what those return is
/// as in [`crate::datagram`].
pub trait Hook {
    /// Bytes of the packet, as far as the hook knows.
    fn bytes(&self) -> usize;
    /// Index of the interface that it came in by.
    fn interface(&self) -> u32;
    /// The machine that sent it; zeros where there is no link layer.
    fn sender(&self) -> [u8; 6];
    /// Parses it.
    fn parse(&self, datagram: *mut Datagram) -> u32;
    /// Reads its IPv4 options.
    fn options(&self, datagram: *const Datagram) -> u32;
    /// Reads the flow that it is about.
    fn quoted(&self, datagram: *const Datagram, flow: *mut Flow) -> u32;
    /// Turns it into its rejection; tells whether it did.
    fn answers(&self, datagram: *const Datagram) -> bool;
}

/// What was decided about a packet.
pub struct Judged {
    /// What becomes of the packet; it is rejected only if it was turned into its answer.
    pub action: Action,
    verdict: Verdict,
    generation: Option<Generation>,
}

impl Judged {
    /// How the packet is steered if it passes; nothing where no packet is.
    #[inline(always)]
    pub fn steering(&self) -> Option<Steering> {
        self.generation?.steering(self.verdict)
    }
}

/// Judges a packet, counts it, and reports it; nothing where the mode is off.
#[inline(always)]
pub fn judged<H: Hook>(hook: &H) -> Option<Judged> {
    let mut bytes = hook.bytes();
    let generation = Generation::current();
    let (verdict, policy, datagram, number) = match generation {
        Some(generation) => {
            let everybody = generation.everybody();
            if matches!(everybody.mode, Mode::Off) {
                return None;
            }
            let (verdict, datagram) = decide(hook, generation, bytes as u32);
            let policy = generation.policy(u32::from(verdict.group));
            (
                verdict,
                policy.unwrap_or(everybody),
                datagram,
                generation.number(),
            )
        }
        None => (
            Verdict::because(Reason::NoPolicy),
            GroupPolicy::NONE,
            None,
            0,
        ),
    };
    let mut action = policy.mode.action(verdict.reason, policy.denial);
    let mut answered = false;
    if let Some(datagram) = datagram {
        // Of a frame in several buffers, what IP says.
        bytes = bytes.max(datagram.end);
        if matches!(action, Action::Reject) {
            answered = hook.answers(datagram);
        }
    }
    if matches!(action, Action::Reject) && !answered {
        action = Action::Drop;
    }
    count_verdict(policy.counters, action, verdict, bytes);
    if !matches!(action, Action::Allow) && is_watched() {
        if datagram.is_none() {
            note_sender(hook.sender(), hook.interface());
        }
        report(
            datagram.map(|datagram| &datagram.flow),
            number,
            verdict,
            action,
            bytes,
        );
    }
    Some(Judged {
        action,
        verdict,
        generation,
    })
}
