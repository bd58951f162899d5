//! A datagram to its verdict: what there is to judge besides the flow.
//!
//! In: a parsed [`Datagram`] and the [`Steps`] that look further into its packet. Out: a [`Verdict`]. The
//! judge says what policy makes of the flow; here stands what comes before (IPv4 options) and after it
//! (ICMP errors, redirects, fragments).

use core::cell::Cell;

use crate::{
    dns::{
        message::Message,
        policy::{self, Bytes, may_all_be_asked},
    },
    flow::Flow,
    fragment::{DatagramKey, Note, Seen, follow},
    judge::{Tables, judge},
    packet::Packet,
    parse::{
        Datagram, IPV4_HEADER_BYTES,
        options::{self, Options},
        quote,
    },
    verdict::{Reason, Verdict},
};

/// Parts of the work, called as the caller can: the kernel's verifier checks each on its own, once.
pub trait Steps {
    /// Reads the IPv4 options of a datagram; see [`options::check`].
    ///
    /// # Errors
    /// The reason that settles the packet.
    fn options(&self, datagram: &Datagram) -> Result<(), Reason>;
    /// Judges a flow; see [`judge`]. Where it `remembers`, it notes the connection that it admits.
    fn judge(&self, flow: &Flow, remembers: bool) -> Verdict;
    /// The flow that an ICMP error is about; see [`quote::read`].
    ///
    /// # Errors
    /// The reason that settles the packet.
    fn quoted(&self, datagram: &Datagram) -> Result<Flow, Reason>;
    /// What holds for a DNS query that passes as `alone`; see [`policy::of_query`].
    fn query(&self, datagram: &Datagram, alone: Verdict) -> Verdict;
    /// What holds for a fragment that was `alone` judged so; see [`follow`].
    fn follow(&self, datagram: &Datagram, alone: Verdict) -> Verdict;
}

/// Decides about a datagram.
#[inline(always)]
pub fn decide<S: Steps>(datagram: &Datagram, steps: &S) -> Verdict {
    if datagram.has_options()
        && let Err(reason) = steps.options(datagram)
    {
        return Verdict::because(reason);
    }
    let mut alone = steps.judge(&datagram.flow, true);
    if datagram.flow.is_dns_query() && alone.reason.passes() {
        alone = steps.query(datagram, alone);
    }
    let verdict = match quote::message(&datagram.flow) {
        quote::Message::Other => alone,
        quote::Message::Redirect => redirect(alone),
        quote::Message::Error => error(datagram, alone, steps),
    };
    let leads = verdict.reason.passes() && !is_settled(verdict.reason);
    if datagram.piece.is_fragment() && (leads || verdict.reason == Reason::FragmentUnknown) {
        return steps.follow(datagram, verdict);
    }
    verdict
}

/// Whether destination or group decide alone, so that ports, quotes and fragments do not matter.
#[inline(always)]
const fn is_settled(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::LinkScope | Reason::Gateway | Reason::Internal | Reason::GroupOff
    )
}

/// A redirect comes from a router of its reader's own link (RFC 1122 section 3.2.2.2, RFC 4861 section
/// 8.1): none goes on beyond this gateway, whatever ICMP a rule allows.
#[inline(always)]
const fn redirect(alone: Verdict) -> Verdict {
    if !alone.reason.passes() || is_settled(alone.reason) {
        return alone;
    }
    Verdict::because(Reason::Redirect).of_group(alone.group as u32)
}

/// An error passes if a rule allows it, or if the flow passes that it is about: so path MTU discovery
/// works. It keeps no connection alive.
#[inline(always)]
fn error<S: Steps>(datagram: &Datagram, alone: Verdict, steps: &S) -> Verdict {
    let is_final = matches!(
        alone.reason,
        Reason::NoGroup | Reason::NoPolicy | Reason::Denied
    );
    if alone.reason.passes() || is_final {
        return alone;
    }
    let about = match steps.quoted(datagram) {
        Ok(flow) => steps.judge(&flow, false),
        Err(reason) => return Verdict::because(reason).of_group(u32::from(alone.group)),
    };
    if !about.reason.passes() {
        return Verdict { admits: 0, ..about };
    }
    Verdict {
        reason: Reason::Related,
        admits: 0,
        ..about
    }
}

/// Verdict on a datagram, and what is to be noted of its fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// What is known of the datagram from now on.
    pub noted: Option<(DatagramKey, Seen)>,
}

/// Decides by plain calls. `seen` tells what is known of a datagram.
pub fn decide_packet<P: Packet + ?Sized, T: Tables + ?Sized>(
    packet: &P,
    datagram: &Datagram,
    tables: &T,
    seen: impl Fn(&DatagramKey) -> Option<Seen>,
) -> Decision {
    let steps = Direct {
        packet,
        tables,
        seen,
        noted: Cell::new(None),
    };
    Decision {
        verdict: decide(datagram, &steps),
        noted: steps.noted.get(),
    }
}

/// Steps as plain calls.
struct Direct<'a, P: ?Sized, T: ?Sized, F> {
    packet: &'a P,
    tables: &'a T,
    seen: F,
    noted: Cell<Option<(DatagramKey, Seen)>>,
}

impl<P, T, F> Steps for Direct<'_, P, T, F>
where
    P: Packet + ?Sized,
    T: Tables + ?Sized,
    F: Fn(&DatagramKey) -> Option<Seen>,
{
    fn options(&self, datagram: &Datagram) -> Result<(), Reason> {
        let from = datagram.l3 + IPV4_HEADER_BYTES;
        let mut options = Options::NONE;
        for (byte, at) in options.bytes.iter_mut().zip(from..datagram.l4) {
            *byte = self.packet.byte(at).ok_or(Reason::Malformed)?;
        }
        options.len = (datagram.l4 - from) as u32;
        options::check(&options, options::step)
    }

    fn judge(&self, flow: &Flow, _remembers: bool) -> Verdict {
        judge(flow, self.tables)
    }

    fn query(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        policy::of_query(&datagram.flow, alone, self.tables, |group| {
            let queries = Bytes {
                packet: self.packet,
                allows: |message: &mut Message| self.tables.may_ask(message, group),
            };
            let payload = policy::payload(self.packet, datagram);
            payload.is_some_and(|payload| may_all_be_asked(&queries, datagram.flow.proto, payload))
        })
    }

    fn quoted(&self, datagram: &Datagram) -> Result<Flow, Reason> {
        quote::read(self.packet, &datagram.flow, datagram.l4, datagram.end)
    }

    fn follow(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        let key = DatagramKey::of(&datagram.flow, &datagram.piece);
        let seen = (self.seen)(&key);
        let (verdict, note) = follow(seen, &datagram.piece, alone, self.tables.now_ms());
        let noted = match (note, seen) {
            (Note::Nothing, _) | (Note::Extent(_), None) => None,
            (Note::Begin(begun), _) => Some(begun),
            (Note::Extent(extent), Some(seen)) => Some(Seen { extent, ..seen }),
        };
        self.noted.set(noted.map(|noted| (key, noted)));
        verdict
    }
}

#[cfg(test)]
mod tests;
