//! What the kernel programs and user space share.
//!
//! In: bytes of packets and of DNS messages. Out: flows, verdicts and learned addresses, by the
//! same functions in the kernel, in `egress-ctl` and in tests.
#![cfg_attr(not(test), no_std)]
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

#[cfg(feature = "user")]
extern crate alloc;

pub mod bucket;
pub mod cache;
pub mod checksum;
pub mod decide;
pub mod divert;
pub mod dns;
pub mod event;
pub mod flat;
pub mod flow;
pub mod forward;
pub mod fragment;
pub mod heads;
pub mod judge;
pub mod learned;
pub mod lesson;
pub mod limits;
pub mod missed;
pub mod name;
pub mod opaque;
pub mod packet;
pub mod parse;
#[cfg(feature = "user")]
pub mod pattern;
pub mod refusal;
pub mod rewrite;
pub mod rule;
mod spread;
pub mod steer;
pub mod traffic;
pub mod trial;
pub mod verdict;

/// Lets aya copy the shared layouts in and out of maps.
#[cfg(feature = "user")]
mod pod {
    use aya::Pod;

    use crate::{
        divert::Pair,
        dns::asked::{Query, QueryKey},
        event::Watcher,
        flow::{Addr, FlowKey},
        forward::{Pair as Passage, PairKey},
        fragment::{DatagramKey, Seen},
        learned::{Learned, LearnedKey},
        missed::{Missed, MissedKey},
        rule::{MachineKey, PlaceKey, Ruleset, Settings},
        steer::Steering,
        traffic::{Recent, TrafficKey},
        trial::Trial,
        verdict::Counter,
    };

    // SAFETY: repr(C) of integers only, without implicit padding (sizes are asserted at the types).
    unsafe impl Pod for Addr {}
    // SAFETY: as above.
    unsafe impl Pod for QueryKey {}
    // SAFETY: as above.
    unsafe impl Pod for Query {}
    // SAFETY: as above.
    unsafe impl Pod for Pair {}
    // SAFETY: as above.
    unsafe impl Pod for Passage {}
    // SAFETY: as above.
    unsafe impl Pod for PairKey {}
    // SAFETY: as above.
    unsafe impl Pod for PlaceKey {}
    // SAFETY: as above.
    unsafe impl Pod for MachineKey {}
    // SAFETY: as above.
    unsafe impl Pod for FlowKey {}
    // SAFETY: as above.
    unsafe impl Pod for DatagramKey {}
    // SAFETY: as above.
    unsafe impl Pod for Seen {}
    // SAFETY: as above.
    unsafe impl Pod for Ruleset {}
    // SAFETY: as above.
    unsafe impl Pod for Settings {}
    // SAFETY: as above.
    unsafe impl Pod for LearnedKey {}
    // SAFETY: as above.
    unsafe impl Pod for Learned {}
    // SAFETY: as above.
    unsafe impl Pod for Missed {}
    // SAFETY: as above.
    unsafe impl Pod for MissedKey {}
    // SAFETY: as above.
    unsafe impl Pod for Steering {}
    // SAFETY: as above.
    unsafe impl Pod for Counter {}
    // SAFETY: as above.
    unsafe impl Pod for TrafficKey {}
    // SAFETY: as above.
    unsafe impl Pod for Recent {}
    // SAFETY: as above.
    unsafe impl Pod for Watcher {}
    // SAFETY: as above.
    unsafe impl Pod for Trial {}
}
