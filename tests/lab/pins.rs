//! What is attached, by the pins: which program of the kernel is at which hook.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use aya::programs::SchedClassifier;
use aya::programs::links::{FdLink, PinnedLink};

use crate::host::Host;

/// Where a gateway of the lab pins.
pub const PIN_DIR: &str = "/sys/fs/bpf/egress";
/// What the hook of a filter begins with; it has no link, and its program is pinned itself.
const FILTER: &str = ":clsact";

/// The kernel's numbers of the attached programs, by the names of their pins.
///
/// # Errors
/// A pin cannot be read.
pub fn attached(gateway: &Host) -> Result<BTreeMap<String, u32>> {
    gateway.run_mounted(|| {
        let mut programs = BTreeMap::new();
        for entry in fs::read_dir(Path::new(PIN_DIR).join("links"))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let program = match name.contains(FILTER) {
                true => SchedClassifier::from_pin(&path)?.info()?.id(),
                false => FdLink::from(PinnedLink::from_pin(&path)?)
                    .info()?
                    .program_id(),
            };
            programs.insert(name.into_owned(), program);
        }
        Ok(programs)
    })?
}
