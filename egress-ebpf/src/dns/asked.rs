//! Queries that wait for their answers, in the maps.

use core::ptr;

use egress_common::{
    bucket::Rate,
    dns::{
        Outcome,
        asked::{CLIENT_SHARE, MACHINE_SHARE, Query, QueryKey, machine},
        message::{Message, NO_LINK_LAYER},
    },
    flow::{Addr, Flow},
};

use crate::{
    log,
    maps::{NO_EXIST, QUERIES, SHARES},
    stats::count_dns,
    tables::now_ms,
};

/// Notes a query that was read, unless its client sends too many.
#[inline(always)]
pub fn note(flow: &Flow, message: &Message) {
    let now_ms = now_ms();
    if !may_note(flow, now_ms) {
        count_dns(Outcome::ShareExceeded);
        return log::unnoted(flow, Outcome::ShareExceeded);
    }
    let key = QueryKey::asked(flow, message.id());
    // Without a place the answer teaches nothing.
    if QUERIES
        .insert(&key, &query(message, flow.mac, now_ms), 0)
        .is_err()
    {
        log::unnoted(flow, Outcome::NoPlace);
    }
}

/// Takes the note that an answer belongs to, so that it teaches once; the message notes which machine asked.
///
/// # Errors
/// There is none.
#[inline(always)]
pub fn take(flow: &Flow, message: &mut Message) -> Result<(), Outcome> {
    let key = QueryKey::answered(flow, message.id());
    let noted = QUERIES
        .get_ptr(&key)
        // SAFETY: the entry stays readable for the program's life. Where a full map gives it to another query
        // meanwhile, that one is taken for a wrong one, or is not there to be taken below.
        .map(|noted| unsafe { ptr::read(noted) });
    Query::check(noted, &query(message, NO_LINK_LAYER, now_ms()))?;
    if let Some(noted) = noted {
        message.set_mac(noted.mac);
    }
    // Of two CPUs that have the same answer, one takes the note.
    QUERIES.remove(&key).map_err(|_| Outcome::NotAsked)
}

#[inline(always)]
fn query(message: &Message, mac: [u8; 6], at_ms: u64) -> Query {
    Query {
        name: message.name_hash(),
        at_ms,
        mac,
        kind: message.question_type(),
    }
}

/// Whether the shares of client and machine have room for a query.
#[inline(always)]
fn may_note(flow: &Flow, now_ms: u64) -> bool {
    spend(flow.src, CLIENT_SHARE, now_ms)
        && (flow.mac == NO_LINK_LAYER || spend(machine(flow.mac), MACHINE_SHARE, now_ms))
}

/// Whether the share of a client has room for another connection to a resolver.
#[inline(always)]
pub fn may_begin(client: Addr) -> bool {
    spend(client, CLIENT_SHARE, now_ms())
}

/// Queries on several CPUs at once may spend the same: a few notes more.
#[inline(always)]
fn spend(whose: Addr, rate: Rate, now_ms: u64) -> bool {
    let Some(due) = SHARES.get_ptr_mut(&whose) else {
        let first = rate.take(0, now_ms).unwrap_or(now_ms);
        return SHARES.insert(&whose, &first, NO_EXIST).is_ok() || SHARES.get_ptr(&whose).is_some();
    };
    // SAFETY: an aligned word of an entry that stays readable for the program's life.
    let Some(next) = rate.take(unsafe { ptr::read_volatile(due) }, now_ms) else {
        return false;
    };
    // SAFETY: as above. A full map may give the entry to another client meanwhile, whose share this then is.
    unsafe { ptr::write_volatile(due, next) };
    true
}
