//! Asks what this process may do.

use rustix::thread::{CapabilitySet, capabilities};

use crate::doctor::caller::Caller;

/// What the daemon runs with (capabilities(7)).
const NEEDED: [(&str, CapabilitySet); 3] = [
    ("CAP_BPF", CapabilitySet::BPF),
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
    ("CAP_PERFMON", CapabilitySet::PERFMON),
];

/// Asks it.
pub(super) fn look() -> Caller {
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let lacks = NEEDED.iter().filter(|(_, one)| !has.contains(*one));
    Caller {
        lacks: lacks.map(|(name, _)| *name).collect(),
    }
}
