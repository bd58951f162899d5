//! Events of packets that are not allowed, for whoever watches.
//!
//! In: a flow that was judged, and its verdict. Out: a record in the ring buffer, or a count of what is not
//! reported. No verdict depends on anything here.

use core::{
    intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd},
    ptr,
};

use aya_ebpf::{bindings::BPF_RB_NO_WAKEUP, helpers::bpf_ktime_get_boot_ns};
use egress_common::{
    event::{CLIENT_RATE, CPU_RATE, Event, Fate, Limit, LimitKey},
    flow::Flow,
    packet::{Packet, Wire},
    verdict::{Action, Verdict},
};

use crate::maps::{EVENT, EVENT_DUE, EVENT_FATES, EVENT_LIMITS, EVENTS, WATCHER};

const NS_PER_MS: u64 = 1_000_000;
/// `BPF_NOEXIST` (linux/bpf.h).
const NO_EXIST: u64 = 1;

/// Reports a packet that is not allowed, where somebody watches. Without a flow it is one that could not be
/// parsed, of which [`note_sender`] knows the rest.
#[inline(always)]
pub fn report(
    flow: Option<&Flow>,
    generation: u64,
    verdict: Verdict,
    action: Action,
    frame_len: usize,
) {
    report_event(
        flow.map_or(ptr::null(), ptr::from_ref),
        generation,
        verdict.to_code(),
        action as u32,
        frame_len as u32,
    );
}

/// Whether somebody reads events.
#[inline(always)]
pub fn is_watched() -> bool {
    watched_until_ms() != 0
}

/// The first bytes of an Ethernet header.
#[repr(C)]
struct Machines {
    to: [u8; 6],
    from: [u8; 6],
}

// SAFETY: repr(C) of bytes.
unsafe impl Wire for Machines {}

/// The machine that a frame says it comes from.
#[inline(always)]
pub fn sender<P: Packet>(frame: &P) -> [u8; 6] {
    let machines = frame.view::<Machines>(0);
    machines.map_or([0; 6], |machines| machines.from)
}

/// The machine that a frame goes to.
#[inline(always)]
pub fn receiver<P: Packet>(frame: &P) -> [u8; 6] {
    let machines = frame.view::<Machines>(0);
    machines.map_or([0; 6], |machines| machines.to)
}

/// Notes who sent a packet that cannot be parsed.
#[inline(always)]
pub fn note_sender(mac: [u8; 6], interface: u32) {
    if let Some(event) = EVENT.get_ptr_mut(0) {
        // SAFETY: this CPU's own place.
        unsafe {
            (*event).mac = mac;
            (*event).interface = interface;
        }
    }
}

/// [`report`] as a global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn report_event(
    flow: *const Flow,
    generation: u64,
    verdict: u32,
    action: u32,
    frame_len: u32,
) -> u32 {
    // SAFETY: the helper takes no arguments and reads a clock.
    let at_ns = unsafe { bpf_ktime_get_boot_ns() };
    let Some(event) = EVENT.get_ptr_mut(0) else {
        return 0;
    };
    // A watcher that was killed did not say that it ended.
    if at_ns / NS_PER_MS >= watched_until_ms() {
        return 0;
    }
    // SAFETY: this CPU's own place, and `flow` is null or a flow on the caller's stack.
    let (event, flow) = unsafe { (&mut *event, flow.as_ref()) };
    match flow {
        Some(flow) => event.take_flow(flow),
        None => event.take_nothing(),
    }
    let told = Verdict::from_code(verdict);
    event.generation = generation;
    event.frame_len = frame_len;
    event.set = told.set;
    event.action = action as u8;
    event.reason = told.reason as u8;
    event.group = told.group;
    event.at_ns = at_ns;
    count(make(event));
    0
}

/// Puts an event into the ring buffer, if it may be there.
#[inline(always)]
fn make(event: &mut Event) -> Fate {
    let now_ms = event.at_ns / NS_PER_MS;
    let Some(limit) = limit(&event.limit_key()) else {
        return Fate::Lost;
    };
    if !is_due(limit, now_ms) {
        suppress(limit, 1);
        return Fate::Suppressed;
    }
    event.suppressed = take_suppressed(limit);
    // The watcher looks by itself: waking it up would cost an interrupt an event.
    match EVENTS.output(event, u64::from(BPF_RB_NO_WAKEUP)) {
        Ok(()) => Fate::Reported,
        Err(_) => {
            suppress(limit, u64::from(event.suppressed));
            Fate::Lost
        }
    }
}

/// Until when somebody reads events, in boot-time ms.
#[inline(always)]
fn watched_until_ms() -> u64 {
    match WATCHER.get_ptr(0) {
        // SAFETY: one aligned word of an entry that exists for the program's life.
        Some(watcher) => unsafe { ptr::read_volatile(&raw const (*watcher).until_ms) },
        None => 0,
    }
}

/// The limit of a client and reason, made where there is none yet.
#[inline(always)]
fn limit(key: &LimitKey) -> Option<*mut Limit> {
    if let Some(known) = EVENT_LIMITS.get_ptr_mut(key) {
        return Some(known);
    }
    let new = Limit {
        due_ms: 0,
        suppressed: 0,
    };
    // Where another CPU was first, its entry is as good.
    let _: Result<(), i32> = EVENT_LIMITS.insert(key, &new, NO_EXIST);
    EVENT_LIMITS.get_ptr_mut(key)
}

/// Whether client and reason, and then this CPU, may have another event now.
#[inline(always)]
fn is_due(limit: *mut Limit, now_ms: u64) -> bool {
    // SAFETY: one aligned word of an entry that stays readable for the program's life.
    let due = unsafe { ptr::read_volatile(&raw const (*limit).due_ms) };
    let Some(next) = CLIENT_RATE.take(due, now_ms) else {
        return false;
    };
    let Some(cpu) = EVENT_DUE.get_ptr_mut(0) else {
        return false;
    };
    // SAFETY: this CPU's own place.
    let Some(next_of_cpu) = CPU_RATE.take(unsafe { *cpu }, now_ms) else {
        return false;
    };
    // SAFETY: as above. Two CPUs at once let one event too many through, which harms nobody.
    unsafe {
        *cpu = next_of_cpu;
        ptr::write_volatile(&raw mut (*limit).due_ms, next);
    }
    true
}

#[inline(always)]
fn suppress(limit: *mut Limit, events: u64) {
    // SAFETY: an aligned word inside the map's value.
    let _: u64 = unsafe {
        atomic_xadd::<u64, u64, { AtomicOrdering::SeqCst }>(&raw mut (*limit).suppressed, events)
    };
}

/// How many events were suppressed, which then begins anew; what another CPU adds at that very moment is
/// told with the next event.
#[inline(always)]
fn take_suppressed(limit: *mut Limit) -> u32 {
    // SAFETY: an aligned word inside the map's value. Compared is the old value that comes back:
    // branching on the returned bool is IR that bpf-linker refuses.
    unsafe {
        let suppressed = &raw mut (*limit).suppressed;
        let seen = ptr::read_volatile(suppressed);
        let (was, _) = atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(
            suppressed, seen, 0,
        );
        if was == seen { seen as u32 } else { 0 }
    }
}

#[inline(always)]
fn count(fate: Fate) {
    if let Some(events) = EVENT_FATES.get_ptr_mut(fate as u32) {
        // SAFETY: this CPU's own place.
        unsafe { *events += 1 };
    }
}
