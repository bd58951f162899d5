//! Checksums, as `sha256sum --check` reads them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::step;

pub(super) fn write(out: &Path, files: &[&Path]) -> Result<PathBuf> {
    let mut sha256sum = Command::new("sha256sum");
    sha256sum.current_dir(out);
    for file in files {
        let name = file.file_name();
        sha256sum.arg(name.with_context(|| format!("{} has no name", file.display()))?);
    }
    let sums = step::output(&mut sha256sum).context("sha256sum does not run")?;
    let file = out.join("SHA256SUMS");
    fs::write(&file, sums).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}
