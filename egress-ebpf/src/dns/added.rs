//! How many addresses an answer may add, by the shares of its client and machine in the maps.
//!
//! Both are looked up once an answer: before its first address is learned, and where any was new, behind the last.

use core::ptr;

use egress_common::{
    bucket::Rate,
    dns::{
        added::{CLIENT_SHARE, MACHINE_SHARE, share_of},
        asked::machine,
        message::Message,
    },
    flow::Addr,
};

use crate::maps::SHARES;

/// Notes in a message how many new addresses it may add now. A global function: verified once, on its own.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_room(message: *mut Message, now_ms: u64) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    let Some(message) = (unsafe { message.as_mut() }) else {
        return 0;
    };
    let mut room = left(&share_of(message.client()), CLIENT_SHARE, now_ms);
    if let Some(mac) = message.mac() {
        room = room.min(left(&share_of(machine(mac)), MACHINE_SHARE, now_ms));
    }
    message.set_room(room as u32);
    0
}

/// Takes what a message added from the shares.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_added(message: *mut Message, now_ms: u64) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    let Some(message) = (unsafe { message.as_ref() }) else {
        return 0;
    };
    let added = u64::from(message.added());
    if added == 0 {
        return 0;
    }
    spend(&share_of(message.client()), CLIENT_SHARE, (added, now_ms));
    if let Some(mac) = message.mac() {
        spend(&share_of(machine(mac)), MACHINE_SHARE, (added, now_ms));
    }
    0
}

#[inline(always)]
fn left(whose: &Addr, rate: Rate, now_ms: u64) -> u64 {
    let due_ms = match SHARES.get_ptr(whose) {
        // SAFETY: an aligned word of an entry that stays readable for the program's life.
        Some(due) => unsafe { ptr::read_volatile(due) },
        None => 0,
    };
    rate.left(due_ms, now_ms)
}

/// Answers on several CPUs at once may spend the same: a few addresses more.
#[inline(always)]
fn spend(whose: &Addr, rate: Rate, (added, now_ms): (u64, u64)) {
    let Some(due) = SHARES.get_ptr_mut(whose) else {
        let first = rate.done(0, now_ms, added);
        // Without a place the share is as it was.
        let _: Result<(), i32> = SHARES.insert(whose, &first, 0);
        return;
    };
    // SAFETY: an aligned word of an entry that stays readable for the program's life. A full map may give the
    // entry to another client meanwhile, whose share this then is.
    unsafe { ptr::write_volatile(due, rate.done(ptr::read_volatile(due), now_ms, added)) };
}
