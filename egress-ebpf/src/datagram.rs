//! A datagram's verdict: the steps of [`decide`] as global functions, each verified once, on its own.
//!
//! A global function's pointer argument may be null to the verifier, so each checks it; and Linux 6.1
//! refuses a map key behind one, so keys are copied to the stack.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use egress_common::{
    decide::Steps,
    flow::Flow,
    judge::{Tables as _, judge},
    parse::{
        Datagram, IPV4_HEADER_BYTES,
        options::{self, OPTIONS_MAX, Options},
        parse, quote,
    },
    verdict::{NO_SET, Reason, Verdict},
};

use crate::{
    fragments,
    maps::DATAGRAM,
    stats::count_traffic,
    tables::{Generation, remember},
    view::{self, View},
};

/// Steps as calls of global functions.
pub struct Global<'a> {
    /// The packet.
    pub ctx: &'a XdpContext,
    /// The generation that judges.
    pub generation: Generation,
    /// Bytes of the frame, for which what is decided leaves its traces; 0 asks without.
    pub bytes: u32,
}

impl Steps for Global<'_> {
    #[inline(always)]
    fn options(&self, datagram: &Datagram) -> Result<(), Reason> {
        from_code(packet_options(self.ctx.ctx, datagram))
    }

    #[inline(always)]
    fn judge(&self, flow: &Flow, remembers: bool) -> Verdict {
        let bytes = if remembers { self.bytes } else { 0 };
        Verdict::from_code(judge_flow(flow, self.generation.half(), bytes))
    }

    #[inline(always)]
    fn quoted(&self, datagram: &Datagram) -> Result<Flow, Reason> {
        let mut flow = datagram.flow;
        from_code(quoted_flow(self.ctx.ctx, datagram, &mut flow))?;
        Ok(flow)
    }

    #[inline(always)]
    fn follow(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        Verdict::from_code(fragment_follow(datagram, alone.to_code(), self.bytes))
    }
}

/// What a global function returns where there is no reason to settle the packet.
const SOUND: u32 = u32::MAX;

/// The code of a result.
#[inline(always)]
pub fn to_code(result: Result<(), Reason>) -> u32 {
    match result {
        Ok(()) => SOUND,
        Err(reason) => reason as u32,
    }
}

/// The result of a code.
#[inline(always)]
pub fn from_code(code: u32) -> Result<(), Reason> {
    match code {
        SOUND => Ok(()),
        number => Err(Reason::from_number(number as u8)),
    }
}

/// [`judge`] as a global function: verified once, on its own, however a packet was parsed. A frame of
/// `bytes` bytes is counted by its destination, and the connection that it belongs to is remembered; 0
/// asks without a trace.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_flow(flow: *const Flow, half: u32, bytes: u32) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    let flow = Flow { ..*flow };
    let generation = Generation::of_half(half);
    let verdict = judge(&flow, &generation);
    if bytes == 0 {
        return verdict.to_code();
    }
    if verdict.admits != 0 {
        remember(&flow, verdict.admits);
    }
    if verdict.set != NO_SET
        && verdict.reason.passes()
        && let Some(policy) = generation.policy(u32::from(verdict.group))
    {
        count_traffic(flow.dst, policy.counters, verdict, u64::from(bytes));
    }
    verdict.to_code()
}

/// The datagram of a frame, as one place a CPU holds it: programs at LAN ingress do not interrupt each
/// other.
///
/// # Errors
/// The reason that settles the packet.
#[inline(always)]
pub fn parsed(ctx: &XdpContext) -> Result<&'static Datagram, Reason> {
    let datagram = DATAGRAM.get_ptr_mut(0).ok_or(Reason::NoPolicy)?;
    from_code(parse_frame(ctx.ctx, datagram))?;
    // SAFETY: this CPU's own place.
    Ok(unsafe { &*datagram })
}

/// See [`parse`]; the datagram is where `datagram` points.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_frame(ctx: *mut xdp_md, datagram: *mut Datagram) -> u32 {
    // SAFETY: null, or the place of this CPU.
    let Some(datagram) = (unsafe { datagram.as_mut() }) else {
        return to_code(Err(Reason::Malformed));
    };
    let ctx = XdpContext::new(ctx);
    match parse(&View::of_frame(&ctx)) {
        Ok(parsed) => {
            *datagram = parsed;
            datagram.flow.interface = ctx.ingress_ifindex() as u32;
            SOUND
        }
        Err(reason) => to_code(Err(reason)),
    }
}

/// See [`options::check`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn packet_options(ctx: *mut xdp_md, datagram: *const Datagram) -> u32 {
    let ctx = XdpContext::new(ctx);
    // SAFETY: null, or a datagram on the caller's stack.
    checked(unsafe { datagram.as_ref() }, |from, to, len| {
        // SAFETY: there is that room.
        unsafe { view::copy_of_frame::<ROOM>(&ctx, from, to, len) }
    })
}

/// Room for options, as a power of two.
pub const ROOM: u32 = OPTIONS_MAX.next_power_of_two() as u32;

/// Checks the options of a datagram, which `copy` copies from an offset to a place with [`ROOM`].
#[inline(always)]
pub fn checked(datagram: Option<&Datagram>, copy: impl FnOnce(usize, *mut u8, u32) -> bool) -> u32 {
    let Some(datagram) = datagram else {
        return to_code(Err(Reason::Malformed));
    };
    let from = datagram.l3 + IPV4_HEADER_BYTES;
    let len = (datagram.l4 - from) as u32;
    let mut options = Options::NONE;
    if !copy(from, options.bytes.as_mut_ptr(), len) {
        return to_code(Err(Reason::Malformed));
    }
    options.len = len;
    to_code(options::check(&options, |options, at| {
        options_step(options, at)
    }))
}

/// See [`options::step`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn options_step(options: *const Options, at: u32) -> u32 {
    // SAFETY: null, or options on the caller's stack.
    match unsafe { options.as_ref() } {
        Some(options) => options::step(options, at),
        None => options::REFUSED,
    }
}

/// See [`quote::read`]; the flow is where `flow` points.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn quoted_flow(ctx: *mut xdp_md, datagram: *const Datagram, flow: *mut Flow) -> u32 {
    // SAFETY: null, or a datagram and a flow on the caller's stack.
    let (Some(datagram), Some(flow)) = (unsafe { (datagram.as_ref(), flow.as_mut()) }) else {
        return to_code(Err(Reason::Malformed));
    };
    read_quote(&View::of_frame(&XdpContext::new(ctx)), datagram, flow)
}

/// Reads the flow that an ICMP error is about.
#[inline(always)]
pub fn read_quote(packet: &View, datagram: &Datagram, flow: &mut Flow) -> u32 {
    match quote::read(packet, &datagram.flow, datagram.l4, datagram.end) {
        Ok(quoted) => {
            *flow = quoted;
            SOUND
        }
        Err(reason) => to_code(Err(reason)),
    }
}

/// What holds for a fragment that alone has the verdict `alone`. Where `bytes` is not 0, it is noted.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn fragment_follow(datagram: *const Datagram, alone: u32, bytes: u32) -> u32 {
    let alone = Verdict::from_code(alone);
    // SAFETY: null, or a datagram on the caller's stack.
    match unsafe { datagram.as_ref() } {
        Some(datagram) => fragments::follow(datagram, alone, bytes != 0).to_code(),
        None => Verdict::because(Reason::Malformed).to_code(),
    }
}
