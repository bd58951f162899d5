//! Which programs are ours.

use std::path::Path;

use super::{AttachError, list};
use crate::dataplane::{bind::Bound, load::Loaded};

/// The kernel's numbers of our programs on these interfaces.
///
/// # Errors
/// The pins cannot be listed, or a program is missing.
pub fn ours(loaded: &mut Loaded, pin_dir: &Path, bound: &[Bound]) -> Result<Vec<u32>, AttachError> {
    let mut ids = Vec::new();
    for at in list(pin_dir)? {
        let mut devices = bound.iter().filter_map(|bound| bound.device.as_ref());
        if let Some(device) = devices.find(|device| device.index == at.index) {
            ids.extend(loaded.program(at.hook, device.layer)?.id());
        }
    }
    Ok(ids)
}
