//! Which pattern lists the name of a question.

use egress_common::{
    dns::{beginning_step, beginning_steps, message::Message},
    heads::{LISTS_MAX, Listed},
    opaque::opaque,
};

use crate::tables::Generation;

/// Id of the pattern that lists the name, or of the meeting of several; 0 where none does. The verifier need not
/// tell apart how it was found.
#[inline(always)]
pub fn pattern_of(message: &mut Message, generation: Generation) -> u32 {
    let listed = listing(message, generation).unwrap_or(0);
    opaque(u64::from(listed)) as u32
}

#[inline(always)]
fn listing(message: &mut Message, generation: Generation) -> Option<u32> {
    let key = message.name_key()?;
    // SAFETY: the key is a whole one.
    let listed = unsafe { generation.listed(key) }?;
    if listed.heads != 0
        && let Some(pattern) = by_head(message, generation, listed)
    {
        return Some(pattern);
    }
    Some(listed.pattern)
}

/// Looks the beginning of the name up; for names that are too short for what the first list says, in
/// further ones.
#[inline(always)]
fn by_head(message: &mut Message, generation: Generation, listed: Listed) -> Option<u32> {
    for chunk in 0..beginning_steps(u8::MAX) {
        if chunk >= beginning_steps(listed.longest) {
            break;
        }
        dns_beginning_step(message, chunk);
    }
    let mut list = listed.heads;
    for _ in 0..LISTS_MAX {
        let key = message.head_key(list, listed.longest);
        // SAFETY: the key is a whole one.
        let headed = unsafe { generation.headed(key) }?;
        if message.name_bytes() >= u32::from(headed.least) {
            return Some(headed.pattern);
        }
        list = headed.shorter;
        if list == 0 {
            return None;
        }
    }
    None
}

/// See [`beginning_step`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_beginning_step(message: *mut Message, chunk: u32) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    if let Some(message) = unsafe { message.as_mut() } {
        beginning_step(message, chunk & 15);
    }
    0
}
