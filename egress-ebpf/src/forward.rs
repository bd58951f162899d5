//! The fast path: what the judge lets pass leaves by the next hop's interface at once.
//!
//! In: the verdict on a frame. Out: `XDP_REDIRECT` and a frame as the stack would send it, or `XDP_PASS` and the
//! frame as it came. Nothing is dropped: whatever could refuse is asked before the frame is changed.

use core::ptr;

use aya_ebpf::{
    bindings::{
        BPF_FIB_LKUP_RET_NO_NEIGH, BPF_FIB_LKUP_RET_SUCCESS,
        xdp_action::{XDP_PASS, XDP_REDIRECT},
        xdp_md,
    },
    helpers::{bpf_fib_lookup, bpf_jiffies64},
    programs::XdpContext,
};
use egress_common::{
    forward::{
        Crossing, Fate, Headers, Headers4, Headers6, Hop, PAUSED, PairKey, crossing, family,
        may_leave,
    },
    parse::Datagram,
    steer::Steering,
    verdict::Verdict,
};

use crate::{
    datagram::last_parsed,
    log,
    maps::{FORWARD_EPOCH, FORWARD_PAIRS, FORWARD_TO, FORWARDS, HOPS, ROUTE_ASKED},
    tables::{Generation, now_ms},
    view::{Frame, View},
};

/// Sends a frame on, of which the judge said `code`, by the generation in a half; tells what becomes of it. A
/// global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn forward(ctx: *mut xdp_md, code: u32, half: u32) -> u32 {
    let ctx = XdpContext::new(ctx);
    let fate = match sent(&ctx, Verdict::from_code(code), Generation::of_half(half)) {
        Ok(()) => Fate::Forwarded,
        Err(fate) => fate,
    };
    count(fate);
    log::given_up(fate);
    match fate {
        Fate::Forwarded => XDP_REDIRECT,
        _ => XDP_PASS,
    }
}

#[inline(always)]
fn count(fate: Fate) {
    if let Some(packets) = FORWARDS.get_ptr_mut(fate as u32) {
        // SAFETY: this CPU's own place.
        unsafe { *packets += 1 };
    }
}

#[inline(always)]
fn sent(ctx: &XdpContext, verdict: Verdict, generation: Generation) -> Result<(), Fate> {
    let epoch = epoch().ok_or(Fate::Paused)?;
    if !may_leave(verdict.reason) {
        return Err(Fate::Local);
    }
    if let Some(steering) = generation.steering(verdict)
        && steering != Steering::NONE
    {
        return Err(Fate::Steered);
    }
    let datagram = last_parsed().ok_or(Fate::Local)?;
    let crossing = read(ctx, datagram)?;
    let hop = hop(ctx, &crossing, epoch)?;
    if hop.to == 0 {
        return Err(Fate::from_number(hop.detail));
    }
    if crossing.own != hop.own {
        return Err(Fate::NotOurs);
    }
    if crossing.len > hop.detail {
        return Err(Fate::TooLong);
    }
    if crossing.is_v4 {
        send::<Headers4>(ctx, hop)
    } else {
        send::<Headers6>(ctx, hop)
    }
}

/// The word that next hops are remembered under; nothing while none counts.
#[inline(always)]
fn epoch() -> Option<u32> {
    // SAFETY: one aligned word of the slot, which exists for the program's life.
    let epoch = unsafe { ptr::read_volatile(FORWARD_EPOCH.get_ptr(0)?) };
    (epoch != 0 && epoch & PAUSED == 0).then_some(epoch as u32)
}

#[inline(always)]
fn read(ctx: &XdpContext, datagram: &Datagram) -> Result<Crossing, Fate> {
    let view = View::of_frame(ctx);
    crossing(&view, datagram, view.len(), view.frame_len())
}

/// The next hop of a packet: as it is remembered, or as it is looked up now.
#[inline(always)]
fn hop(ctx: &XdpContext, crossing: &Crossing, epoch: u32) -> Result<&'static Hop, Fate> {
    let place = crossing.route.place();
    let now = ticks();
    let (first, second) = (at(place)?, at(place | 1)?);
    // SAFETY: this CPU's own places, which exist for the program's life.
    let (one, other) = unsafe { (&*first, &*second) };
    if one.knows(&crossing.route, epoch) && !one.is_due(now) {
        return Ok(one);
    }
    if other.knows(&crossing.route, epoch) && !other.is_due(now) {
        return Ok(other);
    }
    let is_first = one.route.is(&crossing.route)
        || !other.route.is(&crossing.route)
            && now.wrapping_sub(one.since) >= now.wrapping_sub(other.since);
    let place = if is_first { first } else { second };
    // SAFETY: this CPU's own place, to which nothing else points from here on.
    let hop = unsafe { &mut *place };
    let is_due = hop.is_due(now);
    look_up(ctx.ctx, crossing, epoch, hop);
    if hop.to != 0 && leads_back(ctx.ctx, crossing, hop.to) == 0 {
        hop.to = 0;
        hop.detail = Fate::ReversePath as u32;
    }
    if is_due {
        hop.since = now;
        return Err(Fate::Refresh);
    }
    Ok(hop)
}

#[inline(always)]
fn at(place: u32) -> Result<*mut Hop, Fate> {
    HOPS.get_ptr_mut(place).ok_or(Fate::Paused)
}

/// The kernel's clock in ticks. The kernel puts a read of memory in the place of this call.
#[inline(always)]
fn ticks() -> u32 {
    // SAFETY: the helper takes no arguments and reads a clock.
    unsafe { bpf_jiffies64() as u32 }
}

/// Writes down what the kernel's tables say of a route. A global function, verified once; what it needs of the
/// stack is not needed while the frame is changed.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn look_up(
    ctx: *mut xdp_md,
    crossing: *const Crossing,
    epoch: u32,
    hop: *mut Hop,
) -> u32 {
    // SAFETY: null, or a crossing on the caller's stack and this CPU's own place.
    let (Some(crossing), Some(hop)) = (unsafe { (crossing.as_ref(), hop.as_mut()) }) else {
        return 0;
    };
    hop.route = crossing.route;
    hop.epoch = epoch;
    if let Err(fate) = found(&XdpContext::new(ctx), crossing, hop) {
        hop.to = 0;
        hop.detail = fate as u32;
    }
    0
}

#[inline(always)]
fn found(ctx: &XdpContext, crossing: &Crossing, hop: &mut Hop) -> Result<(), Fate> {
    let route = &crossing.route;
    // SAFETY: there is no other one.
    let asked = unsafe { asked() }.ok_or(Fate::Paused)?;
    asked.begin(crossing.is_v4, route.class());
    (asked.src, asked.dst) = (
        ends(route.src(), crossing.is_v4),
        ends(route.dst(), crossing.is_v4),
    );
    asked.interface = route.interface();
    match asked.ask(ctx) {
        BPF_FIB_LKUP_RET_SUCCESS => {}
        BPF_FIB_LKUP_RET_NO_NEIGH => return Err(Fate::NoNeighbour),
        _ => return Err(Fate::NoRoute),
    }
    let key = PairKey {
        from: route.interface(),
        to: asked.interface,
    };
    let mtu = permitted(&key, crossing.is_v4, hop).ok_or(Fate::OtherWay)?;
    hop.to = key.to;
    hop.detail = mtu.min(u32::from(asked.len));
    hop.from_mac = asked.from_mac;
    hop.to_mac = asked.to_mac;
    Ok(())
}

/// Whether packets that come in by `to` and answer these leave by the interface that these came in by. A global
/// function by itself: together with [`look_up`] it would need more of the stack than there is on Linux 6.1.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn leads_back(ctx: *mut xdp_md, crossing: *const Crossing, to: u32) -> u32 {
    // SAFETY: null, or a crossing on the caller's stack; this CPU's own place.
    let (Some(crossing), Some(asked)) = (unsafe { (crossing.as_ref(), asked()) }) else {
        return 0;
    };
    let route = &crossing.route;
    asked.begin(crossing.is_v4, route.class());
    asked.src = ends(route.dst(), crossing.is_v4);
    asked.dst = ends(route.src(), crossing.is_v4);
    asked.interface = to;
    let told = asked.ask(&XdpContext::new(ctx));
    let is_route = matches!(told, BPF_FIB_LKUP_RET_SUCCESS | BPF_FIB_LKUP_RET_NO_NEIGH);
    u32::from(is_route && asked.interface == route.interface())
}

/// The place of this CPU for questions.
///
/// # Safety
/// Nothing else may refer to it meanwhile.
#[inline(always)]
unsafe fn asked() -> Option<&'static mut Asked> {
    // SAFETY: programs at LAN ingress do not interrupt each other, and the caller has no other one.
    unsafe { ROUTE_ASKED.get_ptr_mut(0)?.as_mut() }
}

/// The words of an address as the kernel is asked for it.
#[inline(always)]
const fn ends(words: [u32; 4], is_v4: bool) -> [u32; 4] {
    match (is_v4, words) {
        (true, [_, _, _, last]) => [last, 0, 0, 0],
        (false, words) => words,
    }
}

/// The longest packet that may leave between two interfaces; nothing where none may.
#[inline(always)]
fn permitted(key: &PairKey, is_v4: bool, hop: &mut Hop) -> Option<u32> {
    // SAFETY: entries stay readable for the program's life; whoever changes one raises the word first.
    let pair = unsafe { FORWARD_PAIRS.get_ptr(key)?.as_ref()? };
    let family = if is_v4 { family::V4 } else { family::V6 };
    if pair.families & family == 0 || now_ms() >= pair.until_ms {
        return None;
    }
    hop.own = pair.own;
    Some(pair.mtu)
}

/// `struct bpf_fib_lookup` (linux/bpf.h): the question, and then the answer. It stands in a map: the stack has no
/// room for it.
#[repr(C)]
pub struct Asked {
    family: u8,
    proto: u8,
    ports: [u16; 2],
    /// 0 in the question: how long packets may be is told in the answer.
    len: u16,
    interface: u32,
    class: u32,
    src: [u32; 4],
    dst: [u32; 4],
    vlan: u32,
    from_mac: [u8; 6],
    to_mac: [u8; 6],
}

const _: () = assert!(size_of::<Asked>() == 64);

impl Asked {
    /// All but addresses and interface.
    #[inline(always)]
    fn begin(&mut self, is_v4: bool, class: u32) {
        const AF_INET: u8 = 2;
        const AF_INET6: u8 = 10;

        self.family = if is_v4 { AF_INET } else { AF_INET6 };
        self.proto = 0;
        self.ports = [0; 2];
        self.len = 0;
        self.class = class;
        // Of no mark.
        self.from_mac = [0; 6];
    }

    #[inline(always)]
    fn ask(&mut self, ctx: &XdpContext) -> u32 {
        // SAFETY: the context is valid for the program's life, and this is laid out as the kernel has it.
        let result = unsafe {
            bpf_fib_lookup(
                ctx.ctx.cast(),
                ptr::from_mut(self).cast(),
                size_of::<Self>() as i32,
                0,
            )
        };
        // A question that the kernel refuses is an answer of no number that it has.
        result as u32
    }
}

/// Sends the frame to its next hop. Where that has become none meanwhile, nothing was changed.
#[inline(always)]
fn send<T: Headers>(ctx: &XdpContext, hop: &Hop) -> Result<(), Fate> {
    if FORWARD_TO.redirect(hop.to, u64::from(XDP_PASS)).is_err() {
        return Err(Fate::OtherWay);
    }
    let mut frame = Frame::of(ctx);
    // It was read at this length before.
    frame.place::<T>(0).ok_or(Fate::Local)?.forward(hop);
    Ok(())
}
