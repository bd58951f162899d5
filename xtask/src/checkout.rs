//! Where things stand: the checkout, its tools and its build output.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

pub(crate) struct Checkout {
    root: PathBuf,
    target: PathBuf,
}

impl Checkout {
    pub(crate) fn here() -> Result<Self> {
        let package = env::var_os("CARGO_MANIFEST_DIR").context("start it as `cargo xtask`")?;
        let root = Path::new(&package)
            .parent()
            .context("xtask stands in no checkout")?;
        // target/debug/xtask: right wherever the build output was sent.
        let executable = env::current_exe()?;
        let target = executable
            .ancestors()
            .nth(2)
            .context("xtask stands in no target folder")?;
        Ok(Self {
            root: root.into(),
            target: target.into(),
        })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Git-ignored; what `setup` builds for this checkout, or for all whose `.tools` is a link to the same
    /// folder.
    pub(crate) fn tools(&self) -> PathBuf {
        let tools = self.root.join(".tools");
        tools.canonicalize().unwrap_or(tools)
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }
}
