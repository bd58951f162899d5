//! The reader's steps as global functions, each verified once, on its own.
//!
//! A global function's pointer argument may be null to the verifier, so each checks it.

use egress_common::dns::{
    Outcome, Step, Steps, message::Message, question_step, record_step, record_steps, settle_step,
};

/// Steps as calls of global functions.
pub struct Global;

impl Steps for Global {
    #[inline(always)]
    fn question(message: &mut Message, chunk: u32) -> Step {
        Step::from_code(dns_question_step(message, chunk))
    }

    #[inline(always)]
    fn record(message: &mut Message) -> Step {
        Step::from_code(dns_record_step(message))
    }

    #[inline(always)]
    fn records(message: &mut Message) -> Step {
        Step::from_code(dns_record_steps(message))
    }

    #[inline(always)]
    fn settle(message: &mut Message) -> Step {
        Step::from_code(dns_settle_step(message))
    }
}

/// See [`question_step`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_question_step(message: *mut Message, chunk: u32) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    match unsafe { message.as_mut() } {
        Some(message) => question_step(message, chunk & 15).to_code(),
        None => Step::Bad(Outcome::Malformed).to_code(),
    }
}

/// See [`record_step`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_record_step(message: *mut Message) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    match unsafe { message.as_mut() } {
        Some(message) => record_step(message).to_code(),
        None => Step::Bad(Outcome::Malformed).to_code(),
    }
}

/// See [`record_steps`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_record_steps(message: *mut Message) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    match unsafe { message.as_mut() } {
        Some(message) => record_steps::<Global>(message).to_code(),
        None => Step::Bad(Outcome::Malformed).to_code(),
    }
}

/// See [`settle_step`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn dns_settle_step(message: *mut Message) -> u32 {
    // SAFETY: null, or the one message of this CPU.
    match unsafe { message.as_mut() } {
        Some(message) => settle_step(message).to_code(),
        None => Step::Bad(Outcome::Malformed).to_code(),
    }
}
