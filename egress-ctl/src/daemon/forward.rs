//! Fast paths, looked after.

use anyhow::Result;

use super::Daemon;
use crate::{
    dataplane::{
        attach,
        hook::{Hook, attached},
    },
    forward::Known,
};

impl Daemon {
    /// Judges anew whether packets may leave past the stack.
    pub(super) fn look_at_forwarding(&mut self) -> Result<()> {
        let Some(force) = &self.force else {
            return Ok(());
        };
        let pairs = &force.config.gateway.fast_paths;
        let pin_dir = &self.places.pin_dir;
        let (mut ours, mut pinned) = (Vec::new(), Vec::new());
        if !pairs.is_empty() {
            ours = attach::ours(&mut self.loaded, pin_dir, &self.bound)?;
            pinned = attached(pin_dir)?;
        }
        let bound = &self.bound;
        let judged = |name: &str| {
            let one = bound.iter().find(|one| one.name == name)?;
            let index = one.device.as_ref()?.index;
            let mut hooks = pinned.iter().filter(|at| at.index == index);
            Some((index, hooks.any(|at| at.hook == Hook::XdpNative)))
        };
        let known = Known {
            judged: &judged,
            ours: &ours,
        };
        let state_dir = &self.places.state_dir;
        Ok(self.forwarding.settle(pin_dir, state_dir, pairs, &known)?)
    }
}
