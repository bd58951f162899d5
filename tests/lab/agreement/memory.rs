//! What was learned and admitted before the packets come: the same in the kernel and for its judges.

use std::collections::BTreeMap;

use anyhow::Result;
use egress_common::flow::FlowKey;
use egress_common::learned::{Learned, LearnedKey, Slot};
use egress_common::parse::parse;
use egress_ctl::dataplane::{boot_ms, swap};

use crate::kernel::Kernel;
use crate::random::{Admission, Teaching};

/// Connections that were admitted: by which pattern, unless that is over, and the word of its slot.
pub type Admitted = BTreeMap<FlowKey, (Option<&'static str>, u64)>;

/// Teaches kernel and caller the same.
pub fn taught(kernel: &Kernel, teachings: &[Teaching]) -> Result<BTreeMap<LearnedKey, Learned>> {
    let now = boot_ms() as i64;
    let mut all: BTreeMap<LearnedKey, Vec<u64>> = BTreeMap::new();
    for teaching in teachings {
        let id = kernel.ids().sets().count() as u32;
        let slot = Slot {
            // A pattern that no generation knows yet is as good as any unknown one.
            pattern: kernel.ids().clone().pattern(teaching.pattern).unwrap_or(id),
            expires_ms: (now + teaching.left_ms).max(1) as u64,
        };
        all.entry(teaching.key()).or_default().push(slot.to_word());
    }
    let mut learned = BTreeMap::new();
    for (key, words) in all {
        let mut taught = Learned::EMPTY;
        for (slot, word) in taught.slots.iter_mut().zip(words) {
            *slot = word;
        }
        swap::teach(kernel.pinned(), key, taught)?;
        learned.insert(key, taught);
    }
    Ok(learned)
}

/// Admits connections of some of the frames, in the kernel and for the caller.
pub fn admitted(kernel: &Kernel, frames: &[Vec<u8>], admissions: &[Admission]) -> Result<Admitted> {
    let now = boot_ms();
    let mut all = BTreeMap::new();
    for admission in admissions {
        let Ok(datagram) = parse(&admission.frame.get(frames)[..]) else {
            continue;
        };
        let slot = Slot {
            pattern: kernel.ids().clone().pattern(admission.pattern)?,
            expires_ms: now.saturating_add_signed(admission.left_ms).max(1),
        };
        let flow = datagram.flow.key();
        swap::admit(kernel.pinned(), flow, slot.to_word())?;
        let pattern = (admission.left_ms > 0).then_some(admission.pattern);
        all.insert(flow, (pattern, slot.to_word()));
    }
    Ok(all)
}
