//! What remains of the addresses of an answer whose aliases did not stand in order.

use super::{Step, message::Message};

/// Links, names and addresses that one step handles.
const BATCH: u32 = 8;
/// Steps that the fullest message takes.
pub const SETTLE_STEPS: u32 = 160;

/// Follows aliases from the question on, then drops addresses whose owner it does not lead to.
#[inline(always)]
pub fn settle_step(message: &mut Message) -> Step {
    for _ in 0..BATCH {
        if !message.names.follow() && !message.sift() {
            return Step::Done;
        }
    }
    Step::More
}
