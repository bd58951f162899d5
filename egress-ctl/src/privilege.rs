//! What the daemon may do: all that it was started with, less what it does not need.
//!
//! Capabilities belong to threads: what is let go of here is let go of by this thread, and by those that it
//! starts later.

use rustix::{
    io,
    thread::{
        CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
    },
};
use tracing::warn;

/// For as long as it runs: programs and maps, what these are attached to, and what the kernel's verifier asks
/// of programs that compare pointers. Files that others own are only read.
const RUNNING: CapabilitySet = CapabilitySet::BPF
    .union(CapabilitySet::NET_ADMIN)
    .union(CapabilitySet::PERFMON)
    .union(CapabilitySet::DAC_READ_SEARCH);
/// Until it enforces: to give the socket to its group, and to ask the kernel for the programs of others.
const STARTING: CapabilitySet = RUNNING
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::SYS_ADMIN);

/// Lets go of what the start does not need, and of ever gaining more by running another program.
pub(crate) fn begin() {
    tell(set_no_new_privs(true).and_then(|()| keep(STARTING)));
}

/// Lets go of what the start alone needed; who replaces programs of others goes on asking for them.
pub(crate) fn settle(replaces_others: bool) {
    let asks = match replaces_others {
        true => CapabilitySet::SYS_ADMIN,
        false => CapabilitySet::empty(),
    };
    tell(keep(RUNNING.union(asks)));
}

fn tell(done: io::Result<()>) {
    if let Err(fault) = done {
        warn!("privileges that are not needed are kept: {fault}");
    }
}

fn keep(needed: CapabilitySet) -> io::Result<()> {
    let CapabilitySets { permitted, .. } = capabilities(None)?;
    if permitted.contains(CapabilitySet::SETPCAP) {
        for one in CapabilitySet::all().difference(needed).iter() {
            // The kernel may not know the newest ones.
            if capability_is_in_bounding_set(one).unwrap_or(false) {
                remove_capability_from_bounding_set(one)?;
            }
        }
    }
    let kept = permitted.intersection(needed);
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}
