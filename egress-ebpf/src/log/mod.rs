//! What the programs say of what is rare, and hard to see by counters: they say it where it is decided.
//!
//! In: what was decided, and about which packet. Out: a line for user space, by aya-log. It is for whoever looks for a
//! fault, and costs what it costs: only the feature `log` has the programs say anything. Without it these functions are
//! empty, and the object holds neither a map nor an instruction of them.
//!
//! A client that sends such packets without end must not fill a log with them: each CPU says one line of a [`Kind`] in
//! [`PAUSE_MS`], and with it how many it left out. What finds no room in the ring is lost, and no packet waits for it.

#[cfg(feature = "log")]
mod pace;
#[cfg(feature = "log")]
mod say;
#[cfg(feature = "log")]
mod words;

#[cfg(feature = "log")]
pub use self::{
    pace::{KINDS, Pace},
    say::{buffer_unparsed, frame_unparsed},
};

use egress_common::{dns::Outcome, flow::Flow, forward::Fate};

use crate::{datagram::Parsed, ingress::Hook};

/// A packet that is refused before anything is looked up, since it cannot be parsed.
#[inline(always)]
pub fn unparsed<H: Hook>(_hook: &H, _parsed: Parsed) {
    // For every packet: where the program itself decides, LLVM builds what the verifier refuses.
    #[cfg(feature = "log")]
    _hook.say_unparsed(match _parsed {
        Ok(_) => say::PARSED,
        Err(reason) => reason as u32,
    });
}

/// A DNS message, of a resolver to a client, that teaches nothing.
#[inline(always)]
pub fn untaught(_flow: &Flow, _outcome: Outcome) {
    #[cfg(feature = "log")]
    say::say_untaught(_flow, _outcome as u32);
}

/// An address of such a message that is not learned as the message says.
#[inline(always)]
pub fn address_untaught(_outcome: Outcome) {
    #[cfg(feature = "log")]
    say::say_address_untaught(_outcome as u32);
}

/// A query of a client whose answer will teach nothing.
#[inline(always)]
pub fn unnoted(_flow: &Flow, _outcome: Outcome) {
    #[cfg(feature = "log")]
    say::say_unnoted(_flow, _outcome as u32);
}

/// An allowed packet that the fast path gives up, which is for the stack then.
#[inline(always)]
pub fn given_up(_fate: Fate) {
    #[cfg(feature = "log")]
    if words::is_odd(_fate) {
        say::say_given_up(_fate as u32);
    }
}
