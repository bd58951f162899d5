//! Root, and what to say without it.

use std::{fs, os::unix::fs::MetadataExt as _};

use anyhow::{Result, ensure};

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

pub(crate) fn require(task: &str) -> Result<()> {
    ensure!(
        is_root(),
        "`cargo xtask {task}` needs root: it makes network namespaces and loads BPF programs"
    );
    Ok(())
}
