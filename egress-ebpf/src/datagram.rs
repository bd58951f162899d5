//! A datagram's verdict: the steps of [`decide`] as global functions, each verified once, on its own.
//!
//! A global function's pointer argument may be null to the verifier, so each checks it; and Linux 6.1
//! refuses a map key behind one, so keys are copied to the stack.

use core::ptr::NonNull;

use aya_ebpf::{
    EbpfContext as _,
    bindings::{__sk_buff, xdp_md},
    programs::{TcContext, XdpContext},
};
use egress_common::{
    cache::{NO_STAMP, Recalled, may_be_kept},
    decide::{self, Steps},
    flow::Flow,
    judge::{Tables as _, judge},
    parse::{
        self, Datagram, IPV4_HEADER_BYTES,
        options::{self, OPTIONS_MAX, Options},
        quote,
    },
    traffic::Cause,
    verdict::{NO_SET, Reason, Verdict},
};

use crate::{
    cache::{self, cache_keep},
    fragments,
    ingress::Hook,
    maps::{DATAGRAM, TOLD_IN},
    stats::count_traffic,
    tables::{Generation, remember},
    tc::{HEADERS_BYTES, network},
    view::{self, View},
};

/// The verdict on a packet. One of `bytes` bytes leaves its traces; 0 asks without.
#[inline(always)]
pub fn decide<H: Hook>(hook: &H, parsed: Parsed, generation: Generation, bytes: usize) -> Verdict {
    let steps = Global {
        hook,
        generation,
        bytes: bytes as u32,
    };
    match parsed {
        Ok(datagram) => decide::decide(datagram, &steps),
        Err(reason) => Verdict::because(reason),
    }
}

/// Steps as calls of global functions.
struct Global<'a, H> {
    hook: &'a H,
    generation: Generation,
    bytes: u32,
}

impl<H: Hook> Steps for Global<'_, H> {
    #[inline(always)]
    fn options(&self, datagram: &Datagram) -> Result<(), Reason> {
        from_code(self.hook.options(datagram))
    }

    #[inline(always)]
    fn judge(&self, flow: &Flow, remembers: bool) -> Verdict {
        let half = self.generation.half();
        if !remembers || self.bytes == 0 {
            return Verdict::from_code(judge_flow(flow, half, 0, NO_STAMP));
        }
        match Recalled::from_word(recall_flow(flow, half, self.bytes)) {
            Recalled::Known(verdict) => verdict,
            Recalled::Unknown(stamp) => {
                Verdict::from_code(judge_flow(flow, half, self.bytes, stamp))
            }
        }
    }

    #[inline(always)]
    fn query(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        if !self.generation.is_strict() {
            return alone;
        }
        let half = self.generation.half();
        let told = self.hook.may_ask(datagram, half, alone.to_code());
        match Verdict::from_code(told) {
            refused if matches!(refused.reason, Reason::DnsNameRefused) => refused,
            _ => alone,
        }
    }

    #[inline(always)]
    fn quoted(&self, datagram: &Datagram) -> Result<Flow, Reason> {
        let mut flow = datagram.flow;
        from_code(self.hook.quoted(datagram, &mut flow))?;
        Ok(flow)
    }

    #[inline(always)]
    fn follow(&self, datagram: &Datagram, alone: Verdict) -> Verdict {
        Verdict::from_code(fragment_follow(datagram, alone.to_code(), self.bytes))
    }
}

/// What a global function returns where there is no reason to settle the packet.
const SOUND: u32 = u32::MAX;

#[inline(always)]
fn to_code(result: Result<(), Reason>) -> u32 {
    match result {
        Ok(()) => SOUND,
        Err(reason) => reason as u32,
    }
}

#[inline(always)]
fn from_code(code: u32) -> Result<(), Reason> {
    match code {
        SOUND => Ok(()),
        number => Err(Reason::from_number(number as u8)),
    }
}

/// The verdict on a flow where this CPU knows it, as the word of a [`Recalled`]: its packet of `bytes` bytes is then
/// counted as [`judge_flow`] does. A global function: most packets need no more.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn recall_flow(flow: *const Flow, half: u32, bytes: u32) -> u64 {
    // SAFETY: null, or the flow of this CPU's datagram.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Recalled::Unknown(NO_STAMP).to_word();
    };
    let stamp = cache::stamp(half);
    let Some(kept) = cache::recall(flow, stamp) else {
        return Recalled::Unknown(stamp).to_word();
    };
    let verdict = Verdict::from_code(kept.verdict());
    let generation = Generation::of_half(half);
    count_allowed(flow, verdict, kept.pattern(), generation, bytes);
    Recalled::Known(verdict).to_word()
}

/// [`judge`] as a global function: verified once, on its own, however a packet was parsed. A frame of
/// `bytes` bytes is counted by its destination, the connection that it belongs to is remembered, and the verdict is
/// kept under `stamp`; 0 bytes ask without a trace.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn judge_flow(flow: *const Flow, half: u32, bytes: u32, stamp: u32) -> u32 {
    // SAFETY: null, or a flow on the caller's stack.
    let Some(flow) = (unsafe { flow.as_ref() }) else {
        return Verdict::because(Reason::Malformed).to_code();
    };
    let generation = Generation::of_half(half);
    let verdict = judge(flow, &generation);
    if bytes == 0 {
        return verdict.to_code();
    }
    if verdict.admits != 0 {
        remember(flow, verdict.admits, generation);
    }
    let pattern = verdict.pattern();
    count_allowed(flow, verdict, pattern, generation, bytes);
    if stamp != NO_STAMP && may_be_kept(verdict, generation.denies_names()) {
        cache_keep(flow, stamp, verdict.to_code(), pattern);
    }
    verdict.to_code()
}

/// Counts a packet that a set allows by its destination, and by the pattern that taught it, or 0.
#[inline(always)]
fn count_allowed(flow: &Flow, verdict: Verdict, pattern: u32, generation: Generation, bytes: u32) {
    if verdict.set != NO_SET
        && verdict.reason.passes()
        && let Some(policy) = generation.policy(u32::from(verdict.group))
    {
        let cause = Cause::new(verdict.set, policy.counters, pattern);
        count_traffic(&flow.dst, cause, u64::from(bytes));
    }
}

/// The datagram of a packet, or the reason that settles the packet.
pub type Parsed = Result<&'static Datagram, Reason>;

/// Places of datagrams, by hook.
const COMING: u32 = 0;
const LEAVING: u32 = 1;

/// The datagram of a packet, in the one place that a CPU has for it: programs at LAN ingress do not
/// interrupt each other.
#[inline(always)]
pub fn parsed<H: Hook>(hook: &H) -> Parsed {
    let datagram = DATAGRAM.get_ptr_mut(COMING).ok_or(Reason::NoPolicy)?;
    from_code(hook.parse(datagram))?;
    // SAFETY: this CPU's own place.
    Ok(unsafe { &*datagram })
}

/// The same of a packet at LAN egress.
#[inline(always)]
pub fn leaving<const ETHERNET: bool>(ctx: &TcContext) -> Parsed {
    let datagram = DATAGRAM.get_ptr_mut(LEAVING).ok_or(Reason::NoPolicy)?;
    let skb = ctx.as_ptr().cast();
    from_code(if ETHERNET {
        parse_buffer(skb, datagram)
    } else {
        parse_bare(skb, datagram)
    })?;
    // SAFETY: this CPU's own place.
    Ok(unsafe { &*datagram })
}

/// The same of a packet that user space hands over.
#[inline(always)]
pub fn told(ctx: &TcContext) -> Parsed {
    let datagram = TOLD_IN.get_ptr_mut(0).ok_or(Reason::NoPolicy)?;
    from_code(parse_buffer(ctx.as_ptr().cast(), datagram))?;
    // SAFETY: this CPU's own place.
    Ok(unsafe { &*datagram })
}

/// The datagram that was [`parsed`] last at LAN ingress; if that failed, it holds anything.
#[inline(always)]
pub fn last_parsed() -> Option<&'static Datagram> {
    // SAFETY: this CPU's own place.
    unsafe { DATAGRAM.get_ptr(COMING)?.as_ref() }
}

/// See [`parse::read`]; the datagram is where `datagram` points.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_frame(ctx: *mut xdp_md, datagram: *mut Datagram) -> u32 {
    let ctx = XdpContext::new(ctx);
    let read = |to: &mut Datagram| {
        let network = parse::link(&View::of_frame(&ctx))?;
        // Viewed anew, so that what was checked in front does not tell one way to here from another.
        parse::read(&View::of_frame(&ctx), network, to)
    };
    put(datagram, read, ctx.ingress_ifindex() as u32)
}

/// [`parse_frame`] for a socket buffer that begins with an Ethernet header.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_buffer(ctx: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    parse_skb::<true>(ctx, datagram)
}

/// [`parse_frame`] for a socket buffer that begins with an IP header.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn parse_bare(ctx: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    parse_skb::<false>(ctx, datagram)
}

#[inline(always)]
fn parse_skb<const ETHERNET: bool>(skb: *mut __sk_buff, datagram: *mut Datagram) -> u32 {
    let ctx = buffer(skb);
    // SAFETY: the context is valid for the program's life.
    let interface = unsafe { (*skb).ifindex };
    let read = |to: &mut Datagram| {
        let network = network::<ETHERNET>(&ctx, &View::of_headers::<HEADERS_BYTES>(&ctx))?;
        parse::read(&View::of_pulled(&ctx), network, to)
    };
    put(datagram, read, interface)
}

/// The context of a global function.
#[inline(always)]
pub const fn buffer(skb: *mut __sk_buff) -> TcContext {
    // SAFETY: a program has a context, and hands it on.
    TcContext::new(unsafe { NonNull::new_unchecked(skb) })
}

/// Reads a packet from `interface` into what `datagram` points to.
#[inline(always)]
fn put(
    datagram: *mut Datagram,
    read: impl FnOnce(&mut Datagram) -> Result<(), Reason>,
    interface: u32,
) -> u32 {
    // SAFETY: null, or the place of this CPU.
    let Some(datagram) = (unsafe { datagram.as_mut() }) else {
        return to_code(Err(Reason::Malformed));
    };
    let result = read(datagram);
    datagram.flow.interface = interface;
    to_code(result)
}

/// Bytes that IPv4 options are copied to.
const OPTIONS_ROOM: u32 = OPTIONS_MAX.next_power_of_two() as u32;

/// See [`options::check`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn packet_options(ctx: *mut xdp_md, datagram: *const Datagram) -> u32 {
    let ctx = XdpContext::new(ctx);
    check_options(datagram, |from, to, len| {
        // SAFETY: the caller has that room.
        unsafe { view::copy_of_frame::<OPTIONS_ROOM>(&ctx, from, to, len) }
    })
}

/// [`packet_options`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_options(ctx: *mut __sk_buff, datagram: *const Datagram) -> u32 {
    let ctx = buffer(ctx);
    check_options(datagram, |from, to, len| {
        // SAFETY: the caller has that room.
        unsafe { view::copy::<OPTIONS_ROOM>(&ctx, from, to, len) }
    })
}

/// Checks options that `copy` copies: so many bytes from an offset of the packet, to [`OPTIONS_ROOM`] bytes.
#[inline(always)]
fn check_options(datagram: *const Datagram, copy: impl FnOnce(usize, *mut u8, u32) -> bool) -> u32 {
    // SAFETY: null, or a datagram on the caller's stack.
    let Some(datagram) = (unsafe { datagram.as_ref() }) else {
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
    read_quote(datagram, flow, || View::of_frame(&XdpContext::new(ctx)))
}

/// [`quoted_flow`] for a socket buffer.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn buffer_quoted(
    ctx: *mut __sk_buff,
    datagram: *const Datagram,
    flow: *mut Flow,
) -> u32 {
    read_quote(datagram, flow, || {
        View::of_headers::<HEADERS_BYTES>(&buffer(ctx))
    })
}

#[inline(always)]
fn read_quote(datagram: *const Datagram, flow: *mut Flow, packet: impl FnOnce() -> View) -> u32 {
    // SAFETY: null, or a datagram and a flow on the caller's stack.
    let (Some(datagram), Some(flow)) = (unsafe { (datagram.as_ref(), flow.as_mut()) }) else {
        return to_code(Err(Reason::Malformed));
    };
    match quote::read(&packet(), &datagram.flow, datagram.l4, datagram.end) {
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
